"""What nn learns on whole data sets, eagerly: python tests/benchmarks/learning.py digits, or churn, or names

digits  an MLP and a CNN on scikit-learn's digits: test accuracy, the mean of five stratified splits (10 minutes on two
        cores). The settings were chosen on the splits 0 to 4, by validation accuracy but with test accuracies in view
        too; so the mean is taken over the splits 100 to 104, which were not looked at before.
churn   a 4-8-4-1 net on the churn table: test AUC, the mean of five splits, beside scikit-learn's models.
names   a recurrent net and an attention net that learn to spell: loss a letter on held-out names, beside counting
        pairs of letters, and names that they make up.
"""

import argparse
import collections
import concurrent.futures
import itertools
import math
import random
import statistics
import time

from autograd import mean
from nn import (
    RNN,
    Adam,
    Conv2d,
    CosineAnnealingLR,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    Tanh,
    Trainer,
    TransformerBlock,
    accuracy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    load_digits,
    load_names,
    make_churn,
    roc_auc,
    standardize,
    train_validation_test_split,
)

SEEDS = range(5)
UNSEEN = range(100, 105)


# Digits


def image(x):
    """64 numbers as one channel of 8 x 8."""
    return [[x[i : i + 8] for i in range(0, 64, 8)]]


def digits_mlp(seed):
    rng = random.Random(seed)
    return Sequential(Linear(64, 48, rng=rng), ReLU(), Dropout(0.1), Linear(48, 10, rng=rng)), list, 20


def digits_cnn(seed):
    rng = random.Random(seed)
    layers = [Conv2d(1, 24, 3, rng=rng), MaxPool2d(2), ReLU(), Flatten(), Dropout(0.1), Linear(216, 10, rng=rng)]
    return Sequential(*layers), image, 8


def digits(make, seed, lr=0.02, epochs=None, size=None, progress=False):
    """The test accuracy of one split, and the seconds that it took."""
    start = time.perf_counter()
    split = train_validation_test_split(*load_digits(), seed=seed)
    model, shaped, usual = make(seed)
    train, validation, test = ([shaped(x) for x in part] for part in (split.x_train, split.x_validation, split.x_test))
    train, targets = train[:size], split.y_train[:size]
    optimizer = Adam(model.parameters(), lr=lr)
    epochs = usual if epochs is None else epochs
    schedule = CosineAnnealingLR(optimizer, epochs * math.ceil(len(train) / 32))
    trainer = Trainer(
        model, cross_entropy, optimizer, scheduler=schedule, scheduler_interval="batch", metrics=[accuracy], seed=seed
    )
    trainer.fit(train, targets, epochs=epochs, validation=(validation, split.y_validation), progress=progress)
    _, metrics = trainer.evaluate(test, split.y_test)
    return metrics["accuracy"], time.perf_counter() - start


def run_digits():
    means = {}
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for name, make in (("MLP", digits_mlp), ("CNN", digits_cnn)):
            found, seconds = [], []
            for seed, (share, took) in zip(UNSEEN, pool.map(digits, [make] * len(UNSEEN), UNSEEN), strict=True):
                print(f"{name}, split {seed}: {share:.2%} in {took:.0f} s", flush=True)
                found.append(share)
                seconds.append(took)
            means[name] = statistics.mean(found)
            print(f"{name}: {means[name]:.2%} on average, {statistics.mean(seconds):.0f} s a split")
    assert means["MLP"] >= 0.97
    assert means["CNN"] >= max(0.98, means["MLP"])


# Churn


def churn(seed):
    """The test AUC of the net, of logistic regression and of gradient boosting on one split."""
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    split = train_validation_test_split(*make_churn(), validation=0.15, test=0.2, seed=seed)
    train, validation, test = standardize(split.x_train, split.x_validation, split.x_test)
    rng = random.Random(seed)
    layers = [Linear(4, 8, rng=rng), Tanh(), Linear(8, 4, rng=rng), Tanh(), Linear(4, 1, rng=rng)]
    model = Sequential(*layers)
    trainer = Trainer(
        model,
        lambda logits, left: binary_cross_entropy_with_logits(logits[0], left),
        Adam(model.parameters(), lr=0.01),
        seed=seed,
    )
    watch = {"validation": (validation, split.y_validation), "patience": 8}
    trainer.fit(train, split.y_train, epochs=60, batch_size=32, progress=False, **watch)
    ours = roc_auc([logits[0] for logits in trainer.predict(test)], split.y_test)
    theirs = []
    for peer in (LogisticRegression(), GradientBoostingClassifier(random_state=0)):
        peer.fit(train + validation, split.y_train + split.y_validation)
        theirs.append(float(roc_auc_score(split.y_test, peer.predict_proba(test)[:, 1])))
    return ours, *theirs


def run_churn():
    found = [churn(seed) for seed in SEEDS]
    ours, logistic, boosting = map(statistics.mean, zip(*found, strict=True))
    print(f"AUC of the net {ours:.4f}, logistic regression {logistic:.4f}, gradient boosting {boosting:.4f}")
    assert ours >= max(logistic, boosting) - 0.01


# Names: an example is the letters before, the target those after; 26 begins and ends a name

END = 26


def tokens(name):
    return [END, *(ord(c) - ord("a") for c in name), END]


class Recurrent(Module):
    """Embedding, RNN, linear: the logits of the next letter at each place."""

    def __init__(self, rng, width=8, hidden=24):
        self.embedding, self.rnn = Embedding(27, width, rng=rng), RNN(width, hidden, rng=rng)
        self.head = Linear(hidden, 27, rng=rng)

    def forward(self, letters):
        states, _ = self.rnn(self.embedding(letters))
        return self.head(states)


class Attention(Module):
    """Embeddings of letter and place, one transformer block, linear."""

    def __init__(self, rng, width=16, heads=4, block=16):
        self.letters, self.places = Embedding(27, width, rng=rng), Embedding(block, width, rng=rng)
        self.block = TransformerBlock(width, heads, 32, rng=rng)
        self.norm, self.head = LayerNorm(width), Linear(width, 27, rng=rng)

    def forward(self, letters):
        pairs = zip(self.letters(letters), self.places(range(len(letters))), strict=True)
        x = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairs]
        return self.head(self.norm(self.block(x)))


def spelling(logits, letters):
    return mean([cross_entropy(row, letter) for row, letter in zip(logits, letters, strict=True)])


def names(make, epochs=8, size=None, progress=True):
    """(loss a letter on held-out names, that of counting pairs, the trained model)."""
    found = load_names()
    random.Random(0).shuffle(found)
    held, learned = found[:80], found[80:][:size]
    pairs = collections.Counter(pair for name in learned for pair in zip(tokens(name), tokens(name)[1:], strict=False))
    firsts = collections.Counter(first for first, _ in pairs.elements())
    counted = [
        -statistics.fmean(math.log((pairs[a, b] + 0.5) / (firsts[a] + 13.5)) for a, b in itertools.pairwise(t))
        for t in map(tokens, held)
    ]
    model = make(random.Random(1))
    trainer = Trainer(model, spelling, Adam(model.parameters(), lr=0.01), clip_grad_norm=1.0)
    X, held_x = ([tokens(name)[:-1] for name in part] for part in (learned, held))
    Y, held_y = ([tokens(name)[1:] for name in part] for part in (learned, held))
    trainer.fit(X, Y, epochs=epochs, batch_size=8, validation=(held_x, held_y), patience=3, progress=progress)
    return trainer.evaluate(held_x, held_y)[0], statistics.fmean(counted), model


def make_up(model, rng):
    """A name that the model makes up, letter by letter."""
    from autograd import no_grad, softmax

    letters = [END]
    with no_grad():
        while len(letters) < 15:
            chances = [p.data for p in softmax(model(letters)[-1])]
            letter = rng.choices(range(27), chances)[0]
            if letter == END:
                break
            letters.append(letter)
    return "".join(chr(ord("a") + letter) for letter in letters[1:])


def run_names():
    for make in (Recurrent, Attention):
        loss, counted, model = names(make)
        made = ", ".join(make_up(model.eval(), random.Random(i)) for i in range(12))
        print(f"{make.__name__}: {loss:.3f} a letter, {counted:.3f} by counting pairs. It makes up {made}")
        assert loss < counted


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["digits", "churn", "names"])
    {"digits": run_digits, "churn": run_churn, "names": run_names}[parser.parse_args().what]()
