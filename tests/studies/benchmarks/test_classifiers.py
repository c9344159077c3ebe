"""The seven classifiers: that they learn what codes hold and nothing else, against counts in NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lossmith.studies.benchmarks.classifiers import HIDDEN_LAYERS, Classifier, chosen, train_classifiers

CLASSES = 4


def separable_codes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Codes around a center for each class, with labels."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).normal(size=(CLASSES, 64))
    labels = rng.integers(CLASSES, size=count)
    codes = centers[labels] + 0.3 * rng.normal(size=(count, 64))
    return torch.from_numpy(codes).float(), torch.from_numpy(labels)


def train(codes: Tensor, labels: Tensor, epochs: int = 40) -> list[Classifier]:
    return train_classifiers(codes, labels, CLASSES, seed=0, epochs=epochs, patience=10)


def test_separable_codes_are_told_by_all_seven() -> None:
    classifiers = train(*separable_codes(400, 1))
    codes, labels = separable_codes(400, 2)
    assert all(classifier.correct(codes, labels).float().mean() > 0.98 for classifier in classifiers)
    assert all(classifier.validation_accuracy > 0.97 for classifier in classifiers)


def test_shuffled_labels_are_told_by_chance() -> None:
    codes, labels = separable_codes(400, 1)
    shuffled = labels[torch.from_numpy(np.random.default_rng(0).permutation(400))]
    best = chosen(train(codes, shuffled))
    test_codes, test_labels = separable_codes(1000, 2)
    drawn = test_labels[torch.from_numpy(np.random.default_rng(3).permutation(1000))]
    accuracy = best.correct(test_codes, drawn).float().mean().item()
    assert accuracy == pytest.approx(1 / CLASSES, abs=4 * (0.25 * 0.75 / 1000) ** 0.5)  # four standard deviations


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_scale_of_codes_does_not_matter(factor: float) -> None:
    codes, labels = separable_codes(200, 1)
    plain, scaled = train(codes, labels, 5), train(factor * codes, labels, 5)
    for one, other in zip(plain, scaled, strict=True):
        assert one.validation_accuracy == pytest.approx(other.validation_accuracy, abs=0.05)


def test_what_is_correct_agrees_with_layers_multiplied_in_numpy() -> None:
    codes, labels = separable_codes(300, 1)
    codes += 2 * torch.from_numpy(np.random.default_rng(0).normal(size=(300, 64))).float()  # some are mistaken
    for classifier, hidden in zip(train(codes[:200], labels[:200], 3), HIDDEN_LAYERS, strict=True):
        weights = [value.double().numpy() for value in classifier.network.state_dict().values()]
        mean, deviation, layers = weights[0], weights[1], weights[2:]
        assert [bias.size for bias in layers[1::2]] == [*hidden, CLASSES]
        values = (codes[200:].double().numpy() - mean) / deviation
        for index, (weight, bias) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
            values = values @ weight.T + bias
            if index < len(hidden):
                values = np.where(values > 0, values, 0.01 * values)
        right = values.argmax(1) == labels[200:].numpy()
        assert 0 < right.sum() < 100
        assert np.array_equal(classifier.correct(codes[200:], labels[200:]).numpy(), right)


def test_images_held_out_decide_and_are_not_learned() -> None:
    codes, labels = separable_codes(100, 1)
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=codes.shape)).float()
    classifiers = train(noise, labels)  # with 64 numbers for 80 codes, a linear one could learn them by heart
    assert all(classifier.validation_accuracy < 0.7 for classifier in classifiers)
    networks = [nn.Identity() for _ in range(3)]
    candidates = [Classifier(network, value) for network, value in zip(networks, (0.5, 0.7, 0.7), strict=True)]
    assert chosen(candidates) is candidates[1]


def test_a_training_repeats_itself_and_leaves_the_callers_random_numbers_alone() -> None:
    codes, labels = separable_codes(100, 1)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = train(codes, labels, 3), train(codes, labels, 3)
    assert torch.equal(torch.rand(1), expected)
    for one, other in zip(first, second, strict=True):
        states = one.network.state_dict(), other.network.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
