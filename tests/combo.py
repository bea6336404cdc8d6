"""A model directory as kaboom-labs' scripts leave it."""

from __future__ import annotations

import itertools
import json

import torch

from tests.drawing import CLASS_NAMES
from tests.tiny import NET, tiny_net

ARGUMENTS = {
    "dataset_type": "Open_Images",
    "datasets": ["data/fruit"],
    "balance-data": True,
    "net": NET,
    "freeze_base_net": False,
    "freeze_net": False,
    "mb2_width_mult": 1.0,
    "optim_choose": "Adam",
    "batch_size": 6,
    "num_epochs": 40,
    "num_workers": 3,
    "debug_steps": 7,
    "use_cuda": True,
    "checkpoint_folder": "models/fruit",
    "tensorboard": True,
}


def their_groups(net, frozen=0):
    """Return the parameters in the groups, and the order, of those scripts."""
    extras = itertools.chain(net.source_layer_add_ons.parameters(), net.extras.parameters())
    heads = itertools.chain(
        net.regression_headers.parameters(), net.classification_headers.parameters()
    )
    groups = [
        {"params": list(net.base_net.parameters()), "lr": 1e-4},
        {"params": list(extras), "lr": 2e-4},
        {"params": list(heads)},
    ]
    return groups[frozen:]


def write_combo(folder, kind="adam", frozen=0, scheduled=False, prefix="", epoch=4):
    """Write what those scripts leave; return the path, the net and what was gathered, by name."""
    net = tiny_net(seed=1)
    groups = their_groups(net, frozen)
    if kind == "adam":
        optimizer = torch.optim.Adam(groups, lr=3e-4, betas=(0.8, 0.99), weight_decay=0.01)
    else:
        optimizer = torch.optim.SGD(groups, lr=3e-4, momentum=0.7, nesterov=True)
    parameters = [parameter for group in groups for parameter in group["params"]]
    for _ in range(3):
        for number, parameter in enumerate(parameters):
            parameter.grad = torch.full_like(parameter, 0.001 * number) + parameter
        optimizer.step()
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    gathered = {names[id(p)]: dict(state) for p, state in optimizer.state.items()}
    content = {
        "epoch": epoch,
        "weights": {prefix + name: tensor for name, tensor in net.state_dict().items()},
        "optimizer": optimizer.state_dict(),
    }
    if scheduled:
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
        for _ in range(20):
            optimizer.step()
            scheduler.step()
        content["optimizer"] = optimizer.state_dict()
        content["scheduler"] = scheduler
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"COMBO_CHECKPOINT_{NET}-Epoch-{epoch}-Loss-3.21.pth"
    torch.save(content, path)
    (folder / "labels.txt").write_text("\n".join(CLASS_NAMES) + "\n")
    (folder / "training_args.json").write_text(json.dumps(ARGUMENTS))
    return path, net, gathered
