#!/usr/bin/env python3
"""Times relaxon's training beside the same networks written in JAX, by turns in one run.

mnist_dense (A) and mnist_sparse (B), as their files declare them, in two styles of JAX: `epoch` is one compiled
program for a whole epoch, with everything that JAX offers against waste; `steps` is one compiled program for a
batch, called from a Python loop, with all messages in each iteration. Makes a virtual environment with the
current jax[cpu] from PyPI first. Needs relaxon built, and Fashion-MNIST where Debian's package puts it.
"""

import argparse
import functools
import gzip
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

root = Path(__file__).resolve().parents[2]
python = "RELAXON_JAX_PYTHON"  # set in the process that runs within the virtual environment


def enter_environment(folder):
    """Goes on with the Python of an environment that has JAX. Isolated: this file is called jax.py, too."""
    own = folder / "bin" / "python"
    if not own.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    if subprocess.run([own, "-I", "-c", "import jax"], capture_output=True, check=False).returncode != 0:
        print(f"installing jax[cpu] into {folder}", file=sys.stderr)
        subprocess.run([own, "-m", "pip", "install", "--quiet", "jax[cpu]"], check=True)
    os.environ[python] = str(own)
    os.execv(own, [str(own), "-I", __file__, *sys.argv[1:]])


def parsed_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", type=Path, default=root / "build/jax", metavar="DIR",
                        help="the virtual environment (default build/jax)")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), metavar="DIR",
                        help="the four IDX files, gzipped")
    parser.add_argument("--relaxon", type=Path, default=root / "build/release/relaxon", help="the program")
    parser.add_argument("--backend", default="jit", help="of relaxon (default jit)")
    parser.add_argument("--threads", type=int, default=1, help="cores for relaxon and for JAX (default 1)")
    parser.add_argument("--rounds", type=int, default=5, help="each times all once (default 5)")
    parser.add_argument("--networks", default="mnist_dense,mnist_sparse", help="which (default both)")
    return parser.parse_args()


options = parsed_arguments()
if python not in os.environ:
    enter_environment(options.environment)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])

import tomllib

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random


def read_idx(path, header):
    return np.frombuffer(gzip.open(path).read(), np.uint8, offset=header)


class Data:
    """Inputs (N, d) in float32 and classes of both splits, and the label vector of each class."""

    def __init__(self, settings):
        key = random.split(random.key(settings["seed"]), 2)[1]
        self.key, projection_key = random.split(key)
        self.batch = settings["batch_size"]
        per_class = settings.get("num_images_per_class")
        self.x, self.classes = self.split("train", settings, projection_key, per_class)
        self.test_x, self.test_classes = self.split("t10k", settings, projection_key, None)
        if settings["label_mode"] == "pm1":
            on, off = 1.0, -1.0
        else:  # c-rescale
            on, off = math.sqrt(10) / 2 - 0.5, -0.5
        self.code = jnp.where(jnp.eye(10, dtype=bool), on, off).astype(jnp.float32)

    def split(self, name, settings, projection_key, per_class):
        classes = read_idx(options.data / f"{name}-labels-idx1-ubyte.gz", 8).astype(np.int32)
        pixels = read_idx(options.data / f"{name}-images-idx3-ubyte.gz", 16).reshape(len(classes), -1)
        if per_class:
            chosen = np.concatenate([np.flatnonzero(classes == c)[:per_class] for c in range(10)])
            classes, pixels = classes[chosen], pixels[chosen]
        x = pixels / np.float32(255)
        if "linear_projection" in settings:
            projection = random.normal(projection_key, (settings["linear_projection"], 784)) / math.sqrt(784)
            x = x @ np.asarray(projection).T
        if settings["x_transform"] == "sign":
            x = np.where(x > 0, np.float32(1), np.float32(-1))
        return jnp.asarray(x), jnp.asarray(classes)

    def order(self):
        """The images of each batch of an epoch; they are whole."""
        steps = len(self.classes) // self.batch
        return random.permutation(self.key, len(self.classes))[: steps * self.batch].reshape(steps, self.batch)


# Forms of an edge: what it stores, its message (B, K) of a state (B, d), and S as it is stored.


class Dense:
    """A (d, K) array; what is absent stays 0 by a mask."""

    def __init__(self, weight, mask):
        self.initial, self.trainable = weight, mask

    def message(self, w, x):
        return x @ w

    def correlate(self, u, v):
        return u.T @ v


class Turned:
    """The same with receivers outermost."""

    def __init__(self, weight, mask):
        self.initial, self.trainable = weight.T, mask.T

    def message(self, w, x):
        return (w @ x.T).T

    def correlate(self, u, v):
        return v.T @ u


class Gathered:
    """For each receiver its senders, padded to the longest list; samples innermost while they are added."""

    def __init__(self, weight, mask):
        present = np.asarray(weight) != 0
        longest = present.sum(0).max()
        senders = np.zeros((present.shape[1], longest), np.int32)
        used = np.zeros(senders.shape, bool)
        for k, column in enumerate(present.T):
            own = np.flatnonzero(column)
            senders[k, : len(own)], used[k, : len(own)] = own, True
        receivers = np.arange(present.shape[1])[:, None]
        self.senders = jnp.asarray(senders)
        self.initial = jnp.where(used, jnp.asarray(weight)[senders, receivers], 0)
        self.trainable = jnp.where(used, jnp.asarray(mask)[senders, receivers], 0)

    def message(self, w, x):
        return (w[:, :, None] * x.T[self.senders]).sum(1).T

    def correlate(self, u, v):
        return (u.T[self.senders] * v.T[:, None, :]).sum(2)


class Segments:
    """A list of connections by receiver, added up by segments, as BCOO matrices are."""

    def __init__(self, weight, mask):
        receivers, senders = np.nonzero(np.asarray(weight).T)
        self.receivers, self.senders = jnp.asarray(receivers), jnp.asarray(senders)
        self.units = weight.shape[1]
        self.initial = jnp.asarray(weight)[self.senders, self.receivers]
        self.trainable = jnp.asarray(mask)[self.senders, self.receivers]

    def message(self, w, x):
        terms = w[:, None] * x.T[self.senders]
        return jax.ops.segment_sum(terms, self.receivers, self.units, indices_are_sorted=True).T

    def correlate(self, u, v):
        return (u.T[self.senders] * v.T[self.receivers]).sum(1)


class Edge:
    """An edge of the network file: how it starts and how it learns (semantics of relaxon's modules)."""

    def __init__(self, settings, optimizer, units, key, batch):
        self.name = f"{settings['receiver']}-{settings['sender']}"
        self.optimizer = optimizer
        self.threshold = settings["threshold"]
        module, strength = settings["module"], settings.get("strength", 1.0)
        shape = (units[settings["sender"]], units[settings["receiver"]])
        d = shape[0]
        present = 1 - settings.get("sparsity", 0)
        self.sparse = present < 1
        self.mask = jnp.ones(shape, jnp.float32)
        if self.sparse:
            key, mask_key = random.split(key)
            self.mask = random.bernoulli(mask_key, present, shape).astype(jnp.float32)
        self.weight = random.normal(key, shape) * strength / math.sqrt(d * present) * self.mask
        if module.endswith("RecurrentDiscrete"):
            self.mask = self.mask * (1 - jnp.eye(d))
            self.weight = self.weight * self.mask + settings["j_d"] * jnp.eye(d)
        rate = settings.get("lr", 1.0)
        decay = settings.get("weight_decay", 0.0) / math.sqrt(d * present)
        if self.sparse:
            decay *= math.sqrt(0.01 if module.endswith("RecurrentDiscrete") else 0.1)
        self.beta, self.delta = rate / math.sqrt(batch * d), rate * decay

    def moments(self, w):
        return [jnp.zeros_like(w) for _ in range(2 if self.optimizer["name"] == "adam" else 0)]

    def learn(self, form, w, moments, s, step):
        """The optimizer's step from S; `step` counts from 1."""
        eta = self.optimizer["lr"]
        gradient = (self.delta * w - self.beta * s) * form.trainable
        if not moments:
            return w - eta * gradient, moments
        m = 0.9 * moments[0] + 0.1 * gradient
        v = 0.999 * moments[1] + 0.001 * gradient * gradient
        mean, root = m / (1 - 0.9**step), jnp.sqrt(v / (1 - 0.999**step))
        return w - eta * mean / (root + 1e-8), [m, v]


def sign(h):
    return jnp.where(h >= 0, jnp.float32(1), jnp.float32(-1))


def error(target, field, threshold):
    return jnp.where(target * field <= threshold, target, 0)


class Network:
    """One hidden row, on the data and with the schedule of a network file."""

    def __init__(self, path):
        file = tomllib.loads(path.read_text())
        units, seed = file["network"]["sizes"], file["network"]["seed"]
        self.data = Data(file["data"])
        self.schedule = file["schedule"]
        keys = random.split(random.key(seed), file["network"]["keys"])
        edges = {}
        for settings in file["edge"]:
            if settings["module"] != "OutputLayer":
                edge = Edge(settings, file["optimizer"], units, keys[settings["key"]], self.data.batch)
                edges[edge.name] = edge
                if edge.name == "1-2":
                    self.label_message = self.label_of(settings, edge)
        self.edges = [edges[name] for name in ("1-0", "1-1", "2-1")]

    def label_of(self, settings, edge):
        a, b = 1, 0
        if settings["module"] == "FrozenRescaledFullyConnected":
            r = math.sqrt(edge.weight.shape[0] - 1)
            a, b = (r / 2 + 1 / r) / 2, (r / 2 - 1 / r) / 2
        return lambda y: (a * y + b) @ edge.weight

    def forms(self, kinds=(Dense, Dense, Dense)):
        """By edge."""
        return [kind(edge.weight, edge.mask) for kind, edge in zip(kinds, self.edges)]

    def start(self, forms):
        weights = [jnp.copy(form.initial) for form in forms]  # programs take over what they are given
        return [(w, edge.moments(w)) for w, edge in zip(weights, self.edges)], 1

    def learn(self, forms, parameters, step, x, s, y, field):
        """All edges from the final state and the field of the hidden row."""
        v = error(s, field, self.edges[0].threshold)
        scores = forms[2].message(parameters[2][0], s)
        v_output = error(y, scores, self.edges[2].threshold)
        sides = ((x, v), (s, error(s, field, self.edges[1].threshold)), (s, v_output))
        return [edge.learn(form, w, moments, form.correlate(*side), step)
                for edge, form, (w, moments), side in zip(self.edges, forms, parameters, sides)]

    def evaluation(self, forms):
        """Hits among the test images."""
        iterations = self.schedule["warmup"] + self.schedule["evaluate"]

        @jax.jit
        def hits(parameters):
            w_in, w, w_out = (p[0] for p in parameters)

            def batch(images):
                x, classes = images
                m = forms[0].message(w_in, x)
                s = lax.fori_loop(1, iterations, lambda _, s: sign(m + forms[1].message(w, s)), sign(m))
                return (forms[2].message(w_out, s).argmax(1) == classes).sum()

            x = self.data.test_x.reshape(-1, 100, self.data.test_x.shape[1])
            return lax.map(batch, (x, self.data.test_classes.reshape(-1, 100))).sum()

        return hits


def epoch_program(network, forms, exits):
    """(parameters, step), batches -> the same after them: one program. Labels come from tables, the input's
    message is computed once, each iteration costs one product, and the field of the update is what the last
    iteration left. Phases end where nothing changes any more, or are unrolled."""
    schedule, data = network.schedule, network.data

    def relax(iterations, other, w, s, r):
        """r is the recurrent message of s."""

        def iterate(s, r):
            s = sign(other + r)
            return s, forms[1].message(w, s)

        def until_settled(carry):
            i, s, r, _ = carry
            new, r = iterate(s, r)
            return i + 1, new, r, jnp.any(new != s)

        if exits:
            return lax.while_loop(lambda c: (c[0] < iterations) & c[3], until_settled, (0, s, r, True))[1:3]
        for _ in range(iterations):
            s, r = iterate(s, r)
        return s, r

    @functools.partial(jax.jit, donate_argnums=0)
    def train(state, batches):
        from_label = network.label_message(data.code)

        def batch(state, images):
            parameters, step = state
            x, classes = data.x[images], data.classes[images]
            m = forms[0].message(parameters[0][0], x)
            w = parameters[1][0]
            s = sign(m)
            s, r = relax(schedule["warmup"] - 1, m, w, s, forms[1].message(w, s))
            s, r = relax(schedule["clamped"], m + from_label[classes], w, s, r)
            s, r = relax(schedule["free"], m, w, s, r)
            return (network.learn(forms, parameters, step, x, s, data.code[classes], m + r), step + 1), None

        return lax.scan(batch, state, batches)[0]

    return train


def step_program(network):
    """The same by one compiled program a batch; every iteration computes all messages it is declared to have."""
    schedule, data, forms = network.schedule, network.data, network.forms()
    x_host, classes_host = np.asarray(data.x), np.asarray(data.classes)
    code_host = np.asarray(data.code)

    @functools.partial(jax.jit, donate_argnums=0)
    def train_batch(state, x, y):
        parameters, step = state

        def inference(s):
            return forms[0].message(parameters[0][0], x) + forms[1].message(parameters[1][0], s)

        def sweep(iterations, field, s):
            return lax.fori_loop(0, iterations, lambda _, s: sign(field(s)), s)

        s = jnp.zeros((x.shape[0], parameters[1][0].shape[1]), jnp.float32)
        s = sweep(schedule["warmup"], inference, s)
        s = sweep(schedule["clamped"], lambda s: inference(s) + network.label_message(y), s)
        s = sweep(schedule["free"], inference, s)
        return network.learn(forms, parameters, step, x, s, y, inference(s)), step + 1

    def train(state, batches):
        for images in batches:
            state = train_batch(state, x_host[images], code_host[classes_host[images]])
        return state

    return train, forms


def seconds_of(action):
    start = time.perf_counter()
    result = jax.block_until_ready(action())
    return time.perf_counter() - start, result


def fastest_program(network):
    """Forms of the edges and a way to iterate, each chosen by timing a few batches."""
    batches = network.data.order()[:20]
    chosen = [Dense, Dense, Dense]
    exits = False

    def seconds():
        forms = network.forms(chosen)
        train = epoch_program(network, forms, exits)
        jax.block_until_ready(train(network.start(forms), batches))  # compiles
        return min(seconds_of(lambda: train(network.start(forms), batches))[0] for _ in range(3))

    best = seconds()
    for i in (1, 0):  # the edges that cost most
        for kind in (Dense, Turned, Gathered, Segments) if network.edges[i].sparse else (Dense, Turned):
            before, chosen[i] = chosen[i], kind
            if (now := seconds()) < best:
                best = now
            else:
                chosen[i] = before
    exits = True
    exits = seconds() < best
    names = ", ".join(f"{edge.name} {kind.__name__.lower()}" for edge, kind in zip(network.edges, chosen))
    print(f"  fastest: {names}; phases {'that end early' if exits else 'unrolled'}", flush=True)
    forms = network.forms(chosen)
    return epoch_program(network, forms, exits), forms


class Contender:
    """A JAX program that trains on: accuracy after its first `steps` steps, then times of some more."""

    def __init__(self, name, network, program, order, steps, timed_steps):
        self.name, self.steps, self.times = name, steps, []
        self.train, forms = program
        self.timed = order[:timed_steps]
        self.state = self.train(network.start(forms), order[:steps])
        hits = network.evaluation(forms)(self.state[0])
        self.accuracy = float(hits) / len(network.data.test_classes)

    def measure(self):
        seconds, self.state = seconds_of(lambda: self.train(self.state, self.timed))
        self.times.append(1e6 * seconds / len(self.timed))


def relaxon(*arguments):
    command = ["taskset", "--cpu-list", ",".join(map(str, sorted(os.sched_getaffinity(0)))), options.relaxon,
               *map(str, arguments), "--backend", options.backend, "--threads", options.threads, "--json"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def compare(name):
    path = root / "examples/networks" / f"{name}.toml"
    network = Network(path)
    print(f"{name}, {options.threads} core{'s' if options.threads > 1 else ''}, jax {jax.__version__}", flush=True)
    order = network.data.order()
    contenders = [Contender("epoch", network, fastest_program(network), order, len(order), 200),
                  Contender("steps", network, step_program(network), np.asarray(order), 500, 50)]
    own = []
    for _ in range(options.rounds):
        own.append(relaxon("bench", path, "--seconds", 0.5)["train_step_us"])
        for contender in contenders:
            contender.measure()
    print(f"  {'':<8} {'us a step':>10} {'ratio':>8} {'steps':>8} {'accuracy':>9} {'of relaxon':>11}")
    print(f"  {'relaxon':<8} {statistics.median(own):>10.0f} {1:>8.2f}")
    for contender in contenders:
        ratio = statistics.median(theirs / ours for theirs, ours in zip(contender.times, own))
        trained = relaxon("train", path, "--epochs", 1, "--steps", contender.steps)
        print(f"  {contender.name:<8} {statistics.median(contender.times):>10.0f} {ratio:>8.2f} {contender.steps:>8}"
              f" {contender.accuracy:>9.4f} {trained['test_accuracy']:>11.4f}", flush=True)


for name in options.networks.split(","):
    compare(name)
