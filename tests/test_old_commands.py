"""The commands of the tutorials: each is still read, and means what it meant.

Those of NVIDIA's Hello AI World, which use dusty-nv's scripts, and those of qfgaohao's and
kaboom-labs' own pages. What each one does when it runs is tested beside its script.
"""

from __future__ import annotations

import importlib
import shlex

import pytest

from tests.test_train_ssd import training_of

FRUIT = '"Apple,Orange,Banana,Strawberry,Grape,Pear,Pineapple,Watermelon"'
VOC = "~/data/VOC0712"
DETECTNET = (
    "--model=models/fruit/ssd-mobilenet.onnx --labels=models/fruit/labels.txt "
    "--input-blob=input_0 --output-cvg=scores --output-bbox=boxes"
)

# Script, what follows it, and what has to come of it: values by the name of their option.
COMMANDS = [
    # Hello AI World: re-training SSD-Mobilenet
    ("open_images_downloader", f"--class-names {FRUIT} --data=data/fruit",
     {"class_names": FRUIT.strip('"'), "data": "data/fruit"}),
    ("open_images_downloader", f"--stats-only --class-names {FRUIT} --data=data/fruit",
     {"stats_only": True}),
    ("open_images_downloader", f"--max-images=2500 --class-names {FRUIT} --data=data/fruit",
     {"max_images": 2500}),
    ("open_images_downloader", '--max-images=2500 --class-names "Apple,Orange" --data=data/fruit',
     {"max_images": 2500, "class_names": "Apple,Orange"}),
    ("open_images_downloader", '--max-annotations-per-class=500 --class-names "Apple"',
     {"max_annotations_per_class": 500}),
    ("train_ssd", "--data=data/fruit --model-dir=models/fruit --batch-size=4 --epochs=30",
     {"datasets": ["data/fruit"], "checkpoint_folder": "models/fruit", "batch_size": 4,
      "num_epochs": 30}),
    ("train_ssd", "--data=data/fruit --model-dir=models/a --batch-size=2 --workers=1 --epochs=1",
     {"batch_size": 2, "num_workers": 1, "num_epochs": 1}),
    ("train_ssd", "--data=data/fruit --model-dir=models/fruit --batch-size=4 --epochs=60 "
     "--resume=models/fruit/mb1-ssd-Epoch-29-Loss-2.7.pth",
     {"resume": "models/fruit/mb1-ssd-Epoch-29-Loss-2.7.pth"}),
    ("train_ssd", "--net=mb1-ssd --pretrained-ssd=models/mobilenet-v1-ssd-mp-0_675.pth "
     "--data=data/fruit --model-dir=models/fruit",
     {"net": "mb1-ssd", "pretrained_ssd": "models/mobilenet-v1-ssd-mp-0_675.pth"}),
    ("train_ssd", "--data=data/fruit --model-dir=models/fruit --resolution=512",
     {"resolution": 512}),
    ("train_ssd", "--data=data/fruit --base-net= --pretrained-ssd= --resume=",
     {"base_net": None, "pretrained_ssd": None, "resume": None}),
    ("train_ssd", "--data=data/fruit --model-dir=models/fruit --validate-mean-ap "
     "--validation-epochs=5", {"validation_mean_ap": True, "validation_epochs": 5}),
    ("onnx_export", "--model-dir=models/fruit", {"model_dir": "models/fruit"}),
    ("onnx_export", "--net=ssd-mobilenet --input=models/fruit/best.pth --labels=labels.txt "
     "--output=models/fruit/ssd-mobilenet.onnx --resolution=300 --batch-size=1",
     {"net": "ssd-mobilenet", "resolution": 300, "batch_size": 1}),
    ("onnx_export", "--width=300 --height=300 --model-dir=models/fruit",
     {"width": 300, "height": 300}),
    # Hello AI World: collecting a dataset of one's own
    ("train_ssd", "--dataset-type=voc --data=data/mine --model-dir=models/mine",
     {"dataset_type": "voc", "datasets": ["data/mine"]}),
    ("onnx_export", "--model-dir=models/mine", {"model_dir": "models/mine"}),
    # Hello AI World: detectnet
    ("run_ssd_example", f'{DETECTNET} "images/fruit_*.jpg" --output=images/test/fruit_%i.jpg',
     {"sources": ["images/fruit_*.jpg"], "output": "images/test/fruit_%i.jpg",
      "input_blob": "input_0", "output_cvg": "scores", "output_bbox": "boxes"}),
    ("run_ssd_example", f"{DETECTNET} csi://0 --output=out.mp4", {"sources": ["csi://0"]}),
    ("run_ssd_example", f"{DETECTNET} --threshold=0.35 --clustering=0.6 --overlay=box,labels "
     "picture.jpg", {"threshold": 0.35, "clustering": 0.6, "overlay": ("box", "labels")}),
    ("run_ssd_live_demo", f"{DETECTNET} csi://0", {"source": "csi://0"}),
    ("run_ssd_live_demo", f"{DETECTNET} /dev/video0 --input-width=1280 --input-height=720",
     {"source": "/dev/video0", "input_width": 1280, "input_height": 720}),
    # qfgaohao: the demos
    ("run_ssd_live_demo", "mb1-ssd models/mobilenet-v1-ssd-mp-0_675.pth "
     "models/voc-model-labels.txt",
     {"net": "mb1-ssd", "model": "models/mobilenet-v1-ssd-mp-0_675.pth",
      "labels": "models/voc-model-labels.txt"}),
    ("run_ssd_live_demo", "mb2-ssd-lite models/mb2-ssd-lite-mp-0_686.pth "
     "models/voc-model-labels.txt ~/Downloads/big_hero_6.mp4", {"net": "mb2-ssd-lite"}),
    ("run_ssd_live_demo", "mb1-ssd models/gun_model_2.21.pth models/open-images-model-labels.txt "
     "~/Downloads/big_hero_6.mp4", {"labels": "models/open-images-model-labels.txt"}),
    ("run_ssd_example", "vgg16-ssd models/vgg16-ssd-mp-0_7726.pth models/voc-model-labels.txt "
     "picture.jpg",
     {"net": "vgg16-ssd", "model": "models/vgg16-ssd-mp-0_7726.pth", "sources": ["picture.jpg"]}),
    ("run_ssd_example", "mb1-ssd models/mobilenet-v1-ssd-mp-0_675.pth "
     "models/voc-model-labels.txt picture.jpg", {"net": "mb1-ssd"}),
    ("run_ssd_example", "sq-ssd-lite a.pth labels.txt picture.jpg", {"net": "sq-ssd-lite"}),
    # qfgaohao: training on VOC
    ("train_ssd", f"--datasets {VOC}/VOC2007 {VOC}/VOC2012 --validation_dataset "
     f"{VOC}/test/VOC2007/ --net mb1-ssd --base_net models/mobilenet_v1_with_relu_69_5.pth "
     "--batch_size 24 --num_epochs 200 --scheduler cosine --lr 0.01 --t_max 200",
     {"datasets": [f"{VOC}/VOC2007", f"{VOC}/VOC2012"],
      "validation_dataset": f"{VOC}/test/VOC2007", "batch_size": 24, "num_epochs": 200,
      "scheduler": "cosine", "lr": 0.01, "t_max": 200,
      "base_net": "models/mobilenet_v1_with_relu_69_5.pth"}),
    ("train_ssd", f"--datasets {VOC}/VOC2007/ {VOC}/VOC2012/ --validation_dataset "
     f"{VOC}/test/VOC2007/ --net mb2-ssd-lite --base_net models/mb2-imagenet-71_8.pth "
     "--scheduler cosine --lr 0.01 --t_max 200 --validation_epochs 5 --num_epochs 200",
     {"net": "mb2-ssd-lite", "validation_epochs": 5}),
    ("train_ssd", f"--datasets {VOC}/VOC2007/ {VOC}/VOC2012/ --validation_dataset "
     f'{VOC}/test/VOC2007/ --net "vgg16-ssd" --base_net models/vgg16_reducedfc.pth '
     '--batch_size 24 --num_epochs 150 --scheduler "multi-step" --milestones "120,160"',
     {"net": "vgg16-ssd", "scheduler": "multi-step", "milestones": (120, 160)}),
    ("train_ssd", "--datasets a --validation_dataset b --net mb1-ssd --pretrained_ssd c.pth "
     "--freeze_base_net --batch_size 24 --num_epochs 200 --scheduler cosine --lr 0.01 "
     "--t_max 200", {"freeze_base_net": True}),
    ("train_ssd", "--datasets a --validation_dataset b --net mb1-ssd --resume c.pth "
     "--freeze_net --batch_size 24 --num_epochs 200", {"freeze_net": True, "resume": "c.pth"}),
    ("train_ssd", "--datasets a --validation_dataset b --use_cuda False --num_workers 0 "
     "--debug_steps 10 --checkpoint_folder models --weight_decay 5e-4 --gamma 0.1 "
     "--momentum 0.9 --extra_layers_lr 1e-3 --base_net_lr 1e-3 --balance_data",
     {"use_cuda": False, "num_workers": 0, "debug_steps": 10, "weight_decay": 5e-4,
      "extra_layers_lr": 1e-3, "base_net_lr": 1e-3, "balance_data": True}),
    # Measuring of qfgaohao
    ("eval_ssd", f"--net mb1-ssd --dataset {VOC}/test/VOC2007/ --trained_model "
     "models/mobilenet-v1-ssd-mp-0_675.pth --label_file models/voc-model-labels.txt",
     {"net": "mb1-ssd", "datasets": [f"{VOC}/test/VOC2007"],
      "model": ["models/mobilenet-v1-ssd-mp-0_675.pth"],
      "labels": "models/voc-model-labels.txt"}),
    ("eval_ssd", f"--net mb2-ssd-lite --dataset {VOC}/test/VOC2007/ --trained_model "
     "models/mb2-ssd-lite-mp-0_686.pth --label_file models/voc-model-labels.txt "
     "--mb2_width_mult 1.0 --nms_method hard --iou_threshold 0.5 --use_2007_metric True "
     "--use_cuda True --eval_dir eval_results --dataset_type voc",
     {"nms_method": "hard", "iou_threshold": 0.5, "use_2007_metric": True,
      "eval_dir": "eval_results", "dataset_type": "voc"}),
    # Classes of Open Images, qfgaohao
    ("open_images_downloader", '--root ~/data/open_images --class_names "Handgun,Shotgun" '
     "--num_workers 20",
     {"data": "~/data/open_images", "class_names": "Handgun,Shotgun", "num_workers": 20}),
    ("train_ssd", "--dataset_type open_images --datasets ~/data/open_images --net mb1-ssd "
     "--pretrained_ssd models/mobilenet-v1-ssd-mp-0_675.pth --scheduler cosine --lr 0.01 "
     "--t_max 100 --validation_epochs 5 --num_epochs 100 --base_net_lr 0.001 --batch_size 5",
     {"dataset_type": "open_images", "t_max": 100, "base_net_lr": 0.001, "batch_size": 5}),
    # Of kaboom-labs
    ("coco_downloader", "--path coco-data --num-workers 8 --class-names all",
     {"data": "coco-data", "num_workers": 8, "class_names": "all"}),
    ("train_ssd", "--dataset-type=coco --datasets coco-data --validation-dataset coco-data "
     "--net=mb2-ssd-lite --optim-choose adamw --lr 1e-3 --betas 0.9 0.999 --batch-size 32",
     {"dataset_type": "coco", "optim_choose": "adamw", "betas": (0.9, 0.999)}),
    ("eval_ssd", "--net mb2-ssd-lite --trained-model a.pth --dataset coco-data --label-file l.txt",
     {"model": ["a.pth"]}),
    ("onnx_export", "--net mb2-ssd-lite --input a.pth --labels labels.txt --output a.onnx",
     {"net": "mb2-ssd-lite", "input": "a.pth"}),
]  # fmt: skip


def plain(value):
    """Return a value with its paths as text."""
    if isinstance(value, (list, tuple)) and not all(isinstance(one, (int, float)) for one in value):
        return [str(one) for one in value]
    return value if isinstance(value, (bool, int, float, tuple, type(None))) else str(value)


@pytest.mark.parametrize(("script", "line", "expected"), COMMANDS)
def test_a_command_of_the_tutorials_is_read_and_means_what_it_meant(script, line, expected):
    args = vars(importlib.import_module(script).parse_args(shlex.split(line)))
    found = {name: plain(args.get(name, "not there")) for name in expected}
    assert found == {name: plain(value) for name, value in expected.items()}


TRAININGS = [line for script, line, _ in COMMANDS if script == "train_ssd"]


@pytest.mark.parametrize("line", TRAININGS)
def test_a_training_of_the_tutorials_gets_an_optimizer_and_a_schedule(line):
    training = training_of(" ".join(shlex.split(line)))
    assert training.optimizer.param_groups
