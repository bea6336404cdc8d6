from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.hand_made import HERE, NAMES, NOWHERE, THERE, found, gathered, truth
from vision.evaluation.measure import MeasureSettings, measure
from vision.evaluation.verdict import BBOX_ADVICE, advice_about_file, explain_hopeless, verdict

CAT, DOG, EMU = 1, 2, 3


def judged(*pictures, resolution=None, threshold=None, size=(100, 100)):
    collection, _ = gathered(*pictures, size=size)
    return measure(collection, MeasureSettings(resolution=resolution, threshold=threshold))


def squares(count, side, label=CAT):
    """Return rows of objects, each in a place of its own of a picture of 1000 x 1000."""
    places = [(50 * (n % 20), 60 * (n // 20)) for n in range(count)]
    return [([x, y, x + side, y + side], label) for x, y in places]


def test_three_sentences_with_the_numbers():
    pictures = [(truth((HERE, CAT), (THERE, CAT)), found((HERE, CAT, 0.9), (NOWHERE, DOG, 0.8)))]
    sentences = verdict(judged(*pictures, threshold=0.5))
    assert sentences == [
        "It finds 1 of 2 objects (50%) at a threshold of 0.50, and 1 of its 2 detections are "
        "wrong.",
        "The commonest mistakes are boxes on the background (1), above all as dog.",
        "Look at the surest mistakes: some may be objects without a box in the dataset; else add "
        "pictures without objects.",
    ]


def test_what_is_taken_for_what():
    objects = truth((HERE, DOG), (THERE, DOG), (NOWHERE, CAT))
    detections = found((HERE, CAT, 0.9), (THERE, CAT, 0.8), (NOWHERE, CAT, 0.7))
    sentences = verdict(judged((objects, detections), threshold=0.5))
    assert sentences[1] == (
        "The commonest mistakes are wrong classes (2), above all dog taken for cat (2 of 2)."
    )
    assert sentences[2].startswith("More pictures of dog and cat help")


def test_second_boxes_are_a_matter_of_suppression():
    detections = found(*((HERE, CAT, score) for score in (0.9, 0.8, 0.7)))
    sentences = verdict(judged((truth((HERE, CAT)), detections), threshold=0.5))
    assert sentences[1] == "The commonest mistakes are second boxes on one object (2)."
    assert "--nms" in sentences[2]


def test_small_objects_that_are_missed_ask_for_a_larger_input():
    large, small = squares(12, 45), [(box, CAT) for box, _ in squares(24, 20)[12:]]
    detections = found(*((box, label, 0.9) for box, label in large))
    pictures = [(truth(*large, *small), detections)]
    sentences = verdict(judged(*pictures, size=(1000, 1000)))
    assert sentences[1] == "The commonest mistakes are missed objects (12), above all cat."
    assert sentences[2] == (
        "Objects under 32 pixels of the picture are found less often (0% against 100%): a larger "
        "--resolution helps, and so does --net mb2-fpn-ssd-lite."
    )
    sentences = verdict(judged(*pictures, size=(1000, 1000), resolution=1000))
    assert "Objects under 32 pixels of the 1000 that the net sees" in sentences[2]
    # On 4000 pixels all of them are large.
    sentences = verdict(judged(*pictures, size=(1000, 1000), resolution=4000))
    assert "larger --resolution" not in sentences[2]


def test_the_weakest_class_is_named():
    cats, dogs = squares(20, 45), [(box, DOG) for box, _ in squares(32, 45)[20:]]
    detections = found(*((box, label, 0.9) for box, label in [*cats, *dogs[:3]]))
    sentences = verdict(judged((truth(*cats, *dogs), detections), size=(1000, 1000)))
    assert sentences[2].startswith("dog is the weakest class (F1 0.40 against 0.84)")


def test_loose_boxes_are_named():
    objects = squares(20, 40)
    loose = [([x, y, x2, y2 - 15], label, 0.9) for (x, y, x2, y2), label in objects]
    pictures = [(truth(*objects), found(*loose[:19], (loose[0][0], DOG, 0.9)))]
    sentences = verdict(judged(*pictures, size=(1000, 1000)))
    assert sentences[2].startswith("Boxes are loose (AP 0.94 at an overlap of 0.5, 0.00 at 0.75)")


def test_no_mistake_and_no_object():
    perfect = judged((truth((HERE, CAT)), found((HERE, CAT, 0.9))))
    assert verdict(perfect)[1:] == [
        "It makes no mistake here.",
        "Try it on pictures from elsewhere.",
    ]
    nothing = verdict(judged((truth(), found((HERE, CAT, 0.9))), threshold=0.5))
    assert len(nothing) == 3
    assert nothing[1] == "False detections in 1 pictures: 1."


def test_the_caller_may_know_better():
    evaluation = judged((truth((HERE, CAT), (THERE, CAT)), found((HERE, CAT, 0.9))))
    assert verdict(evaluation, "Do that.")[2] == "Do that."


RNG = np.random.default_rng(3)


def random_boxes(count):
    corners = RNG.uniform(0, 60, (count, 2))
    return np.hstack([corners, corners + RNG.uniform(10, 40, (count, 2))]).round()


def hopeless(detections, objects):
    """Return the explanation for pictures with these rows of detections and of objects."""
    pairs = zip(detections, objects)
    return explain_hopeless(judged(*((truth(*there), found(*rows)) for rows, there in pairs)))


def test_a_good_detector_needs_no_explanation():
    assert explain_hopeless(judged((truth((HERE, CAT)), found((HERE, CAT, 0.9))))) is None
    assert explain_hopeless(judged((truth(), found()))) is None


def test_no_prediction():
    reason, advice, _ = hopeless([[]] * 3, [[(HERE, CAT)]] * 3)
    assert reason.startswith("There is no prediction")
    assert "trained" in advice


@pytest.mark.parametrize(
    "turn",
    [
        lambda box: np.array(box) / 100,  # fractions
        lambda box: np.array(box) * 100 + 200,  # pixels, multiplied once more
        lambda box: [box[2], box[3], box[0], box[1]],  # the corners in the wrong order
    ],
)
def test_boxes_out_of_range(turn):
    boxes = [box.tolist() for box in random_boxes(20)]
    detections = [[(turn(box), CAT, 0.9)] for box in boxes]
    reason, advice, _ = hopeless(detections, [[(box, CAT)] for box in boxes])
    assert reason.startswith("The boxes are out of range: ")
    assert "corners" in advice


def test_names_in_another_order():
    boxes = [box.tolist() for box in random_boxes(20)]
    detections = [[(box, DOG if n % 2 else EMU, 0.9)] for n, box in enumerate(boxes)]
    objects = [[(box, CAT if n % 2 else DOG)] for n, box in enumerate(boxes)]
    reason, advice, _ = hopeless(detections, objects)
    assert "average precision 1.00 without names" in reason
    assert "cat is called dog" in reason or "dog is called emu" in reason
    assert "labels.txt" in advice


def test_right_names_are_not_blamed_where_most_classes_are_never_found():
    """It said that "cat is called cat", and to look for another labels.txt."""
    names = ["BACKGROUND", *(f"class {n}" for n in range(1, 31))]
    common = (truth((HERE, 1)), found((HERE, 1, 0.9)))
    pictures = [*[common] * 60, *((truth((THERE, label)), found()) for label in range(2, 31))]
    evaluation = measure(gathered(*pictures, names=names)[0])
    assert evaluation.precision.mean < 0.05
    assert explain_hopeless(evaluation) is None
    assert verdict(evaluation)[1].startswith("The commonest mistakes are missed objects (29)")
    # Some wrong names among right ones are an ordinary mistake.
    evaluation = measure(
        gathered(*pictures, (truth((HERE, 1)), found((HERE, 2, 0.9))), names=names)[0]
    )
    assert explain_hopeless(evaluation) is None


def test_a_threshold_that_no_score_reaches_is_named():
    pictures = [(truth((HERE, CAT)), found((HERE, CAT, 0.625)))] * 3
    assert verdict(judged(*pictures, threshold=0.9))[1:] == [
        "No score reaches the threshold of 0.9: the best is 0.625.",
        "Take a lower threshold.",
    ]
    assert "threshold of 0.9" not in verdict(judged(*pictures, threshold=0.625))[1]


def test_the_same_box_in_every_picture():
    objects = [[([60, 60, 61, 61], CAT)]] * 10
    reason, advice, _ = hopeless([[(HERE, CAT, 0.3)]] * 10, objects)
    assert reason.startswith("It finds the same box in every picture")
    assert "normalised" in advice
    # One without a size, or turned round, is another; it overlaps nothing.
    for other in ([5, 5, 5, 9], HERE[2:] + HERE[:2], [0, 0, 0, 0]):
        found_there = [[(HERE, CAT, 0.3)]] * 9 + [[(other, CAT, 0.3)]]
        assert hopeless(found_there, objects).reason == reason
        found_there = [[(HERE, CAT, 0.3)]] * 7 + [[(other, CAT, 0.3)]] * 3
        assert hopeless(found_there, objects).reason != reason


def test_boxes_anywhere():
    detections = [[(box, CAT, 0.5)] for box in random_boxes(20)]
    objects = [[([90, 90, 95, 95], CAT)]] * 20
    reason, advice, _ = hopeless(detections, objects)
    assert reason.startswith("Its detections hardly ever lie on objects")
    assert "Train longer" in advice


def test_a_file_is_told_of_its_notation_only_where_boxes_are_in_wrong_places():
    def advice(box, label, objects):
        there = truth(*((one, CAT) for one in objects))
        return advice_about_file(judged(*[(there, found((box, label, 0.9)))] * 2))

    assert advice([90, 90, 180, 180], CAT, [HERE]) == BBOX_ADVICE  # outside
    assert advice(NOWHERE, CAT, [HERE]) == BBOX_ADVICE
    assert advice(HERE, DOG, [HERE]) is None  # the names are wrong
    assert advice(HERE, CAT, [HERE]) is None
    same = judged(*[(truth(([60, 60, 61, 61], CAT)), found((HERE, CAT, 0.3)))] * 10)
    assert explain_hopeless(same).reason.startswith("It finds the same box")
    assert advice_about_file(same) is None


def test_a_hopeless_verdict_has_three_sentences():
    evaluation = judged(*[(truth((HERE, CAT)), found())] * 3)
    sentences = verdict(evaluation)
    assert sentences[0].startswith("It finds 0 of 3 objects (0%)")
    assert sentences[1].startswith("There is no prediction")
    assert len(sentences) == 3
    assert NAMES[CAT] == "cat"
