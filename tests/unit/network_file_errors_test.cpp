// What is refused in a network file, and with which words.
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/files.hpp"
#include "tests/support/network_file_text.hpp"

namespace relaxon {
namespace {

using namespace testing;

TEST_CASE("errors of syntax name line and column", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = ") ==
        "net.toml:3:8: Error while parsing key-value pair: expected value, saw '\\n'");
  CHECK(error_with("[data]", "[network]") ==
        "net.toml:31:1: Error while parsing table header: cannot redefine existing table 'network'");
  CHECK(error_with("seed = 1", "seed = 1\nseed = 2") ==
        "net.toml:4:8: Error while parsing key-value pair: cannot redefine existing integer 'seed'");
  CHECK(error_with("seed = 1", "seed = 99999999999999999999") ==
        "net.toml:3:28: Error while parsing decimal integer: '99999999999999999999' is not representable in "
        "64 bits");
}

TEST_CASE("keys nested too deep are refused before they are parsed", "[network_file]") {
  std::string deep = "# . . .\ns = \"\"\"\n.\"\"\"\n";
  for (int i = 0; i < 200'000; ++i) deep += "a.";
  const std::string message = "net.toml:4: expected a key of at most 64 parts, found more";
  CHECK(error_in(deep + "a = 1") == message);
  const auto header = deep.find("a.");
  deep.insert(header, "[");
  CHECK(error_in(deep + "a]") == message);
}

TEST_CASE("long texts and lists with many dots are no deep keys", "[network_file]") {
  std::string list = "lr = [";
  for (int i = 0; i < 100; ++i) list += "0.5, ";
  const std::string comment = "] # " + std::string(100, '.') + "\n";
  CHECK(parse(with(rate, list + comment)).network.optimizer.fallback.lr == std::vector<double>(100, 0.5));
  const std::string dots(100, '.');
  CHECK(
      parse(with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\npath = '" + dots + "'")).data.path ==
      dots);
}

TEST_CASE("network files that can't be read are named", "[network_file]") {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing.toml";
  CHECK(error_of([&] { load_network_file(missing); }) == missing + ": no such file");
  const std::string here = folder.path().string();
  CHECK(error_of([&] { load_network_file(here); }) == here + ": expected a file, found a directory");
  const std::string path = folder / "net.toml";
  write_bytes(path, with("seed = 1", "seed = true"));
  CHECK(error_of([&] { load_network_file(path); }) ==
        path + ":3: network.seed: expected an integer 0 .. 9223372036854775807, found true");
}

TEST_CASE("an unknown key is refused with the known ones", "[network_file]") {
  const std::string unknown = ", found an unknown key";
  CHECK(error_with("seed = 1", "sead = 1") ==
        "net.toml:3: network.sead: expected one of the keys sizes, seed, rng, keys, fixed_bits" + unknown);
  CHECK(error_with("[train]", "[\"tra\\nin\"]") ==
        "net.toml:42: \"tra\\x0ain\": expected one of the keys network, edge, data, schedule, optimizer, "
        "train, lint, probe" +
            unknown);
  CHECK(error_with("j_d = 0.5", "j_d = 0.5\nsparsity = 0.5") ==
        "net.toml:17: edge.1-1.sparsity: expected one of the keys receiver, sender, module, features, j_d, "
        "threshold, "
        "strength, lr, weight_decay, key" +
            unknown);
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nclasses = 10") ==
        "net.toml:33: data.classes: expected one of the keys name, path, seed, key_path, batch_size, "
        "linear_projection, num_images_per_class, label_mode, x_transform, rescaling, validation_fraction, "
        "flatten, "
        "shuffle, recipe" +
            unknown);
  CHECK(error_with("iterations = 3", "iterations = 3\nwarmup = 1") ==
        "net.toml:37: schedule.warmup: expected one of the keys kind, iterations, evaluate, sweep, "
        "update_filter" +
            unknown);
  CHECK(error_with(rate, "lr = 1.0\nb1 = 0.5\n") ==
        "net.toml:41: optimizer.b1: expected one of the keys name, lr, momentum, nesterov, edge" + unknown);
  CHECK(error_with("epochs = 2", "epochs = 2\nsteps = 3") ==
        "net.toml:44: train.steps: expected one of the keys epochs, train_eval" + unknown);
}

TEST_CASE("a missing key is named with what belongs there", "[network_file]") {
  CHECK(error_in("") == "net.toml:1: network: expected a table, found nothing");
  CHECK(error_in("[network]\n") == "net.toml:1: edge: expected a list of tables [[edge]], found nothing");
  CHECK(error_with("[train]\nepochs = 2\n", "") == "net.toml:1: train: expected a table, found nothing");
  CHECK(error_with("sizes = [784, 20, 10]\n", "") ==
        "net.toml:1: network.sizes: expected a list of sizes, found nothing");
  CHECK(error_with("seed = 1\n", "") ==
        "net.toml:1: network.seed: expected an integer 0 .. 9223372036854775807, found nothing");
  CHECK(error_with("receiver = 1\n", "") ==
        "net.toml:5: edge[0].receiver: expected an integer, found nothing");
  CHECK(error_with("module = \"FullyConnected\"\n", "") ==
        "net.toml:5: edge.1-0.module: expected one of " + module_names() + ", found nothing");
  CHECK(error_with("j_d = 0.5\n", "") ==
        "net.toml:12: edge.1-1.j_d: expected a number or a list of numbers, found nothing");
  CHECK(error_with("name = \"fashion-mnist\"\n", "") ==
        "net.toml:31: data.name: expected one of \"fashion-mnist\", \"mnist\", \"idx\", found nothing");
  CHECK(error_with("iterations = 3\n", "") ==
        "net.toml:34: schedule.iterations: expected an integer 0 .. 1000000000, found nothing");
  CHECK(error_with(rate, "") ==
        "net.toml:38: optimizer.lr: expected a number, a list of numbers or a schedule, found nothing");
  CHECK(error_with("lr = 1.0", "lr = {schedule = \"step\", from = 1, to = 0}") ==
        "net.toml:40: optimizer.lr.steps: expected an integer, found nothing");
  CHECK(error_with("name = \"sgd\"\nlr = 1.0", "name = \"adamw\"\nlr = 1.0") ==
        "net.toml:38: optimizer.weight_decay: expected a number, found nothing");
  CHECK(error_with(rate, "lr = 1.0\n[optimizer.edge.\"1-0\"]\nname = \"sgd\"\n") ==
        "net.toml:41: optimizer.edge.1-0.lr: expected a number, a list of numbers or a schedule, found "
        "nothing");
  CHECK(error_with("epochs = 2", "train_eval = 2") ==
        "net.toml:42: train.epochs: expected an integer 0 .. 1000000000, found nothing");
}

TEST_CASE("a value of the wrong type is shown", "[network_file]") {
  CHECK(error_in("network = 3\n" + with("[network]\nsizes = [784, 20, 10]\nseed = 1\n", "")) ==
        "net.toml:1: network: expected a table, found 3");
  CHECK(error_in("edge = [1]\n[network]\nsizes = [2, 2]\nseed = 1\n") ==
        "net.toml:1: edge[0]: expected a table, found 1");
  CHECK(error_in("[edge]\n[network]\nsizes = [2, 2]\nseed = 1\n") ==
        "net.toml:1: edge: expected a list of tables [[edge]], found a table");
  CHECK(error_with("[784, 20, 10]", "784") ==
        "net.toml:2: network.sizes: expected a list of sizes, found 784");
  CHECK(error_with("20, 10]", "20.5, 10]") ==
        "net.toml:2: network.sizes[1]: expected an integer or a list of integers, found 20.5");
  CHECK(error_with("20, 10]", "[20, \"x\"], 10]") ==
        "net.toml:2: network.sizes[1][1]: expected an integer, found \"x\"");
  CHECK(error_with("seed = 1", "seed = 1.0") ==
        "net.toml:3: network.seed: expected an integer 0 .. 9223372036854775807, found 1");
  CHECK(error_with("seed = 1", "seed = 1979-05-27") ==
        "net.toml:3: network.seed: expected an integer 0 .. 9223372036854775807, found a date or time");
  CHECK(error_with("strength = 5.0", "strength = \"5\"") ==
        "net.toml:9: edge.1-0.strength: expected a number or a list of numbers, found \"5\"");
  CHECK(error_with("strength = 5.0", "strength = [1, true]") ==
        "net.toml:9: edge.1-0.strength[1]: expected a number, found true");
  CHECK(error_with("module = \"FullyConnected\"", "module = \"Dense\"") ==
        "net.toml:8: edge.1-0.module: expected one of " + module_names() + ", found \"Dense\"");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nflatten = 1") ==
        "net.toml:33: data.flatten: expected true or false, found 1");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\npath = \"a\\u0000b\"") ==
        "net.toml:33: data.path: expected a path, found \"a\\x00b\"");
  CHECK(error_with(rate, "lr = \"fast\"\n") ==
        "net.toml:40: optimizer.lr: expected a number, a list of numbers or a schedule, found \"fast\"");
  CHECK(error_with(rate, "lr = 1.0\nedge = []\n") ==
        "net.toml:41: optimizer.edge: expected tables such as [optimizer.edge.\"1-0\"], found an empty list");
  CHECK(error_with(rate, "lr = 1.0\nedge.\"01-0\" = {}\n") ==
        "net.toml:41: optimizer.edge.01-0: expected an edge such as \"2-1\", receiver and sender, found "
        "another key");
  CHECK(error_with("epochs = 2", "epochs = 2\ntrain_eval = \"some\"") ==
        "net.toml:44: train.train_eval: expected an integer >= 1 or \"all\", found \"some\"");
}

TEST_CASE("words are checked", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = 1\nrng = \"threefry\"") ==
        "net.toml:4: network.rng: expected one of \"partitionable\", \"original\", found \"threefry\"");
  CHECK(error_with("two-phase", "three-phase") ==
        "net.toml:35: schedule.kind: expected one of \"dynamical\", \"two-phase\", \"alternate\", "
        "\"contrastive\", "
        "\"custom\", found \"three-phase\"");
  CHECK(error_with("iterations = 3", "iterations = 3\nsweep = \"random\"") ==
        "net.toml:37: schedule.sweep: expected one of \"sequential\", \"synchronous\", found \"random\"");
  CHECK(error_with("iterations = 3", "iterations = 3\nupdate_filter = \"none\"") ==
        "net.toml:37: schedule.update_filter: expected one of \"all\", \"forward\", \"backward\", "
        "\"inference\", found "
        "\"none\"");
  CHECK(error_with("name = \"sgd\"", "name = \"rmsprop\"") ==
        "net.toml:39: optimizer.name: expected one of \"sgd\", \"adam\", \"adamw\", found \"rmsprop\"");
  CHECK(
      error_with("lr = 1.0", "lr = {schedule = \"exp\"}") ==
      "net.toml:40: optimizer.lr.schedule: expected one of \"linear\", \"cosine\", \"step\", found \"exp\"");
}

TEST_CASE("numbers out of range are refused", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = -1") ==
        "net.toml:3: network.seed: expected an integer 0 .. 9223372036854775807, found -1");
  CHECK(error_with("sender = 0", "sender = 2147483648") ==
        "net.toml:7: edge[0].sender: expected an integer -2147483648 .. 2147483647, found 2147483648");
  CHECK(error_with("strength = 5.0", "strength = inf") ==
        "net.toml:9: edge.1-0.strength: expected a finite number, found inf");
  CHECK(error_with("strength = 5.0", "strength = 1e39") ==
        "net.toml:5: edge 1-0: FullyConnected: strength = 1e+39; expected a finite float32");
  CHECK(error_with("iterations = 3", "iterations = -1") ==
        "net.toml:36: schedule.iterations: expected an integer 0 .. 1000000000, found -1");
  CHECK(error_with("epochs = 2", "epochs = 1000000001") ==
        "net.toml:43: train.epochs: expected an integer 0 .. 1000000000, found 1000000001");
  CHECK(error_with("epochs = 2", "epochs = 2\ntrain_eval = 0") ==
        "net.toml:44: train.train_eval: expected an integer >= 1 or \"all\", found 0");
}

TEST_CASE("phases of custom schedules are checked", "[network_file]") {
  const auto error = [](const std::string& phases) {
    return error_with(two_phase, "kind = \"custom\"\nphases = " + phases + "\nevaluate_phases = []\n");
  };
  CHECK(error("3") == "net.toml:36: schedule.phases: expected a list of phases and updates, found 3");
  CHECK(error("[1]") == "net.toml:36: schedule.phases[0]: expected a table, found 1");
  CHECK(error("[{filter = \"all\"}]") ==
        "net.toml:36: schedule.phases[0].iterations: expected an integer 0 .. 1000000000, found nothing");
  CHECK(error("[{filter = \"all\", update = [\"2-1\"]}]") ==
        "net.toml:36: schedule.phases[0].filter: expected one of the keys update, found an unknown key");
  CHECK(error("[{update = []}]") ==
        "net.toml:36: schedule.phases[0].update: expected a list of edges such as [\"2-1\"], found an empty "
        "list");
  CHECK(error("[{update = [\"2-1\", \"2_1\"]}]") ==
        "net.toml:36: schedule.phases[0].update[1]: expected an edge such as \"2-1\", receiver and sender, "
        "found "
        "\"2_1\"");
  CHECK(error("[{update = [\"2-0\"]}]") ==
        "net.toml:34: schedule: step 0: update of edge 2-0, which is not in the map");
}

TEST_CASE("key paths are checked", "[network_file]") {
  const auto error = [](const std::string& path) {
    return error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nkey_path = " + path);
  };
  CHECK(error("\"split\"") ==
        "net.toml:33: data.key_path: expected a list of [\"split\", count, index] and [\"fold_in\", data], "
        "found "
        "\"split\"");
  const std::string form = "expected [\"split\", count, index] or [\"fold_in\", data], found ";
  CHECK(error("[3]") == "net.toml:33: data.key_path[0]: " + form + "3");
  CHECK(error("[[]]") == "net.toml:33: data.key_path[0]: " + form + "an empty list");
  CHECK(error("[[\"split\", 2]]") == "net.toml:33: data.key_path[0]: " + form + "a list of 2");
  CHECK(error("[[\"split\", 2, \"x\"]]") ==
        "net.toml:33: data.key_path[0][2]: expected an integer, found \"x\"");
  CHECK(error("[[\"fold_in\", -1]]") ==
        "net.toml:33: data.key_path[0][1]: expected an integer 0 .. 4294967295, found -1");
  CHECK(error("[[\"split\", 2, 2]]") ==
        "net.toml:33: data.key_path[0]: expected child 0 .. 1 of a split into 2, found 2");
}

TEST_CASE("an edge given twice is named with both lines", "[network_file]") {
  CHECK(error_with("[data]", "[[edge]]\nreceiver = 1\nsender = 0\n\n[data]") ==
        "net.toml:31: edge.1-0: expected each edge once, found it again after line 5");
}

TEST_CASE("what is wrong with the map has the line of the edge", "[network_file]") {
  CHECK(error_with("receiver = 1\nsender = 0", "receiver = 0\nsender = 1") ==
        "net.toml:5: edge 0-1: row 0 can't receive, the input is clamped; rows are 1 .. 2");
  CHECK(error_with("sender = 0", "sender = 3") ==
        "net.toml:5: edge 1-3: unknown sender 3; buffers are 0 .. 2");
  CHECK(error_with("module = \"OutputLayer\"", "module = \"RecurrentDiscrete\"\nj_d = 1\nthreshold = 1") ==
        "net.toml:26: edge 2-2: RecurrentDiscrete in row 2; OutputLayer is the layer of the last row (2) and "
        "only of "
        "it");
  CHECK(error_with("strength = 5.0", "strength = [1, 2]") ==
        "net.toml:5: edge 1-0: FullyConnected: strength has length 2; expected a number or 20 numbers, one "
        "per output");
  CHECK(error_with("threshold = 1\n", "threshold = 1\nkey = 4\n") ==
        "net.toml:12: edge 1-1: key = 4; the network has keys 0 .. 3");
  CHECK(error_with("[[edge]]\nreceiver = 2\nsender = 2\nmodule = \"OutputLayer\"\n", "") ==
        "net.toml:1: row 2: no layer on the diagonal (2, 2)");
  CHECK(error_with("[784, 20, 10]", "[784, 0, 10]") ==
        "net.toml:2: sizes: buffer 1 has size (0); every axis must be 1 .. 2^31");
}

TEST_CASE("what is wrong elsewhere has the line of its table or key", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = 1\nfixed_bits = 27") ==
        "net.toml:1: network: fixed_bits = 27; expected 4 .. 26");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nbatch_size = 0") ==
        "net.toml:33: data.batch_size: expected an integer >= 1, found 0");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"mnist\"") ==
        "net.toml:31: data.path: expected the folder of the mnist files, found none");
  CHECK(error_with(rate, "lr = []\n") ==
        "net.toml:38: optimizer: lr is an empty list; expected at least one rate");
  CHECK(error_with(rate, "lr = 1\n[optimizer.edge.\"2-2\"]\nname = \"sgd\"\nlr = 1\n") ==
        "net.toml:41: optimizer of edge 2-2: OutputLayer is not trainable");
}

TEST_CASE("the sizes of the network must be those of the data", "[network_file]") {
  CHECK(error_with("[784, 20, 10]", "[100, 20, 10]") ==
        "net.toml:2: network.sizes: expected an input of size (784), as [data] gives, found (100)");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nlinear_projection = 100") ==
        "net.toml:2: network.sizes: expected an input of size (100), as [data] gives, found (784)");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nflatten = false") ==
        "net.toml:2: network.sizes: expected an input of size (28, 28, 1), as [data] gives, found (784)");
  CHECK(error_with("20, 10]", "20, 12]") ==
        "net.toml:2: network.sizes: expected an output of size (10), one unit a class, found (12)");
}

TEST_CASE("files with random damage give a network or one line", "[network_file]") {
  std::uint64_t random = 1;
  for (int i = 0; i < 2000; ++i) {
    const std::string text = testing::mutated(minimal, random);
    const std::string message = error_in(text);
    CAPTURE(text, message);
    CHECK(message.find_first_of("\r\n") == std::string::npos);
    CHECK((message == "no error" || message.starts_with("net.toml:")));
  }
}

}  // namespace
}  // namespace relaxon
