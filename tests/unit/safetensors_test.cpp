#include "core/safetensors.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "core/file.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::TemporaryFolder;
using testing::write_bytes;

/// A file with that header text and data.
std::string file_of(std::string_view header, std::string_view data = "") {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes.append(header).append(data);
}

/// What loading those bytes says, after the file's name.
std::string load_error(std::string_view bytes) {
  const TemporaryFolder folder;
  const std::string file = folder / "f.safetensors";
  write_bytes(file, bytes);
  const std::string message = error_of([&] { load_safetensors(file); });
  return message.starts_with(file + ": ") ? message.substr(file.size() + 2) : "no file name: " + message;
}

Safetensors sample() {
  Safetensors contents;
  contents.tensors.emplace("weights/1-0", Tensor::of<float>({2, 3}, {1.5F, -0.0F, 3, 4, 5, 1e-30F}));
  contents.tensors.emplace("bits", Tensor::of<std::uint8_t>({3}, {0, 7, 255}));
  contents.tensors.emplace("signs", Tensor::of<std::int8_t>({1, 3}, {-1, 0, 1}));
  contents.tensors.emplace("fields",
                           Tensor::of<std::int64_t>({1}, {std::numeric_limits<std::int64_t>::min()}));
  contents.tensors.emplace("labels", Tensor::of<std::int32_t>({2}, {-3, 9}));
  contents.tensors.emplace("key", Tensor::of<std::uint32_t>({2}, {0xffffffffU, 1}));
  contents.tensors.emplace("none", Tensor(DType::f32, {0, 5}));
  contents.tensors.emplace("scalar", Tensor::scalar(2.5F));
  Tensor mask(DType::boolean, {2});
  mask.raw()[1] = std::byte{1};
  contents.tensors.emplace("mask", mask);
  contents.metadata = {{"epoch", "3"}, {"text", "a \"b\"\n\u00e9"}};
  return contents;
}

TEST_CASE("saved tensors come back with type, shape, bytes and metadata", "[safetensors]") {
  const TemporaryFolder folder;
  const Safetensors saved = sample();
  save_safetensors(folder / "f", saved);
  const Safetensors loaded = load_safetensors(folder / "f");
  CHECK(loaded.metadata == saved.metadata);
  REQUIRE(loaded.tensors.size() == saved.tensors.size());
  for (const auto& [name, tensor] : saved.tensors) {
    INFO(name);
    CHECK(loaded.tensors.at(name) == tensor);
  }
  CHECK(folder.names() == std::vector<std::string>{"f"});
}

TEST_CASE("a file without tensors comes back", "[safetensors]") {
  const TemporaryFolder folder;
  save_safetensors(folder / "f", {});
  CHECK(read_file(folder / "f") == file_of("{}      "));
  CHECK(load_safetensors(folder / "f").tensors.empty());
}

TEST_CASE("the bytes of a file are fixed by its contents and aligned", "[safetensors]") {
  const TemporaryFolder folder;
  Safetensors contents;
  contents.tensors.emplace("a", Tensor::of<std::uint8_t>({1}, {7}));
  contents.tensors.emplace("b", Tensor::of<std::int64_t>({1}, {1}));
  contents.tensors.emplace("c", Tensor::of<std::int32_t>({1}, {2}));
  contents.metadata = {{"k", "v"}};
  save_safetensors(folder / "f", contents);
  const std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"data_offsets":[12,13],"dtype":"U8","shape":[1]},)"
      R"("b":{"data_offsets":[0,8],"dtype":"I64","shape":[1]},"c":{"data_offsets":[8,12],"dtype":"I32","shape":[1]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  CHECK(read_file(folder / "f") ==
        file_of(header + padding, std::string_view("\1\0\0\0\0\0\0\0\2\0\0\0\7", 13)));
}

TEST_CASE("files of the golden cases load", "[safetensors]") {
  const std::string folder = RELAXON_GOLDEN_DIR;
  const Safetensors loaded = load_safetensors(folder + "/rng_partitionable.safetensors");
  const Tensor& permutation = loaded.tensors.at("draw61");
  CHECK(permutation.dtype() == DType::i32);
  CHECK(permutation.shape() == Shape{2});
}

TEST_CASE("sections that don't fit the file are refused", "[safetensors]") {
  CHECK(load_error("") == "expected a safetensors file, found 0 bytes");
  CHECK(load_error("1234567") == "expected a safetensors file, found 7 bytes");
  CHECK(load_error(std::string(8, '\xff')) ==
        "expected a safetensors header of at most 100000000 bytes, found 18446744073709551615");
  CHECK(load_error(file_of("{}  ").substr(0, 11)) == "expected a header of 4 bytes, found 3");
  const TemporaryFolder folder;
  const std::string missing = folder / "missing";
  CHECK(error_of([&] { load_safetensors(missing); }) == missing + ": no such file");
}

TEST_CASE("headers that aren't a JSON object are refused", "[safetensors]") {
  CHECK(load_error(file_of("")) == "expected a header of JSON, found an error at its byte 1");
  CHECK(load_error(file_of("{\"a\":")) == "expected a header of JSON, found an error at its byte 6");
  CHECK(load_error(file_of("{} x")) == "expected a header of JSON, found an error at its byte 4");
  CHECK(load_error(file_of("{\"\xff\":1}")) == "expected a header of JSON, found an error at its byte 3");
  CHECK(load_error(file_of("{\"a\":1e999}")) == "expected a header of JSON, found a number out of range");
  CHECK(load_error(file_of("[]")) == "expected a header that is a JSON object");
  CHECK(load_error(file_of("7")) == "expected a header that is a JSON object");
  CHECK(load_error(file_of(std::string(1'000'000, '['))) ==
        "expected a header of flat tensor entries, found deeper nesting");
  CHECK(load_error(file_of(R"({"a":{"shape":[[[1]]]}})")) ==
        "expected a header of flat tensor entries, found deeper nesting");
}

TEST_CASE("what is given twice is refused", "[safetensors]") {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK(load_error(file_of("{\"a\":" + entry + ",\"a\":" + entry + "}")) ==
        "\"a\" is given twice in the header");
  CHECK(load_error(file_of(R"({"a":{"shape":[0],"shape":[1]}})")) ==
        "\"shape\" is given twice in the header");
}

TEST_CASE("metadata must be strings", "[safetensors]") {
  CHECK(load_error(file_of(R"({"__metadata__":[]})")) == "__metadata__: expected a map of strings");
  CHECK(load_error(file_of(R"({"__metadata__":{"k\n":1}})")) ==
        R"(__metadata__: expected a string for "k\n")");
}

TEST_CASE("entries must have their three members", "[safetensors]") {
  const std::string expected = "tensor \"a\": expected an object of dtype, shape and data_offsets";
  CHECK(load_error(file_of(R"({"a":1})")) == expected);
  CHECK(load_error(file_of(R"({"a":{"dtype":"U8","shape":[0]}})")) == expected);
  CHECK(load_error(file_of(R"({"a":{"dtype":"U8","shape":[0],"offsets":[0,0]}})")) == expected);
  CHECK(load_error(file_of(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"more":1}})")) == expected);
}

/// A file with one tensor "a" and four bytes of data.
std::string entry_error(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  const std::string message = load_error(
      file_of(fmt::format(R"({{"a":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape, offsets),
              std::string_view("\1\0\2\0", 4)));
  const std::string prefix = "tensor \"a\": ";
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

TEST_CASE("dtypes, shapes and offsets are checked", "[safetensors]") {
  CHECK(entry_error("1", "[4]", "[0,4]") == "expected the name of a dtype");
  CHECK(entry_error("\"F16\"", "[2]", "[0,4]") ==
        "expected dtype F32, I8, U8, I32, I64, U32, BOOL, found \"F16\"");
  CHECK(entry_error("\"U8\"", "4", "[0,4]") == "expected a shape of non-negative integers");
  CHECK(entry_error("\"U8\"", "[-4]", "[0,4]") == "expected a shape of non-negative integers");
  CHECK(entry_error("\"U8\"", "[4.0]", "[0,4]") == "expected a shape of non-negative integers");
  CHECK(entry_error("\"U8\"", "[4,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]") ==
        "expected at most 16 axes, found 17");
  CHECK(entry_error("\"U8\"", "[4294967296,4294967296]", "[0,0]") == "its shape has too many elements");
  CHECK(entry_error("\"U8\"", "[0,4294967296,4294967296]", "[0,0]") == "its shape has too many elements");
  CHECK(entry_error("\"I64\"", "[2305843009213693952]", "[0,0]") == "its shape has too many elements");
  CHECK(entry_error("\"U8\"", "[4]", "{}") == "expected data_offsets of two non-negative integers");
  CHECK(entry_error("\"U8\"", "[4]", "[0]") == "expected data_offsets of two non-negative integers");
  CHECK(entry_error("\"U8\"", "[4]", "[-1,3]") == "expected data_offsets of two non-negative integers");
  CHECK(entry_error("\"U8\"", "[4]", "[0,5]") ==
        "expected data_offsets within 4 bytes of data, found [0, 5]");
  CHECK(entry_error("\"U8\"", "[4]", "[4,0]") ==
        "expected data_offsets within 4 bytes of data, found [4, 0]");
  CHECK(entry_error("\"F32\"", "[1,2]", "[0,4]") == "expected 8 bytes for F32 (1, 2), found 4");
  CHECK(entry_error("\"BOOL\"", "[2,2]", "[0,4]") == "expected BOOL bytes of 0 or 1, found 2 at element 2");
}

TEST_CASE("tensors must cover the data exactly", "[safetensors]") {
  CHECK(entry_error("\"U8\"", "[3]", "[0,3]") == "expected 3 bytes of data, found 4");
  CHECK(entry_error("\"U8\"", "[3]", "[1,4]") ==
        "expected its data at byte 0, where the one before ends, found byte 1");
  CHECK(load_error(file_of("{}", "x")) == "expected 0 bytes of data, found 1");
  CHECK(load_error(file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                           R"("b\u0000":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                           "123")) ==
        R"(tensor "b\u0000": expected its data at byte 2, where the one before ends, found byte 1)");
}

TEST_CASE("names that a file can't hold are refused before it is touched", "[safetensors]") {
  const TemporaryFolder folder;
  const std::string file = folder / "f";
  Safetensors contents;
  contents.tensors.emplace("__metadata__", Tensor::scalar(1.0F));
  CHECK(error_of([&] { save_safetensors(file, contents); }) ==
        file + ": cannot write: a tensor can't be called __metadata__");
  contents = {};
  contents.metadata = {{"k", "\xff"}};
  CHECK(error_of([&] { save_safetensors(file, contents); }) ==
        file + ": cannot write: names and metadata must be UTF-8");
  CHECK(folder.names().empty());
}

TEST_CASE("mutated files give an Error or tensors", "[safetensors]") {
  const TemporaryFolder folder;
  const std::string file = folder / "f";
  save_safetensors(file, sample());
  const std::string good = read_file(file);
  std::uint64_t state = 20240602;
  INFO("seed " << state);
  int errors = 0;
  for (int round = 0; round < 4000; ++round) {
    INFO("round " << round);
    write_bytes(file, testing::mutated(good, state));
    std::size_t size = 0;
    const std::string message = error_of([&] { size = load_safetensors(file).tensors.size(); });
    errors += message != "no error";
    CHECK(size <= sample().tensors.size());
    CHECK(message.find('\n') == std::string::npos);
  }
  CHECK(errors > 1000);
}

}  // namespace
}  // namespace relaxon
