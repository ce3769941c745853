#include "core/data/idx.hpp"

#include <catch2/catch.hpp>

#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::gzip;
using testing::idx_file;
using testing::TemporaryFolder;
using testing::write_bytes;

constexpr std::uint32_t image_magic = 2051;
constexpr std::uint32_t label_magic = 2049;

std::string two_images() {
  return idx_file(image_magic, {2, 2, 3}, std::string("\0\1\2\3\4\5\xff\7\10\11\12\13", 12));
}
std::string four_labels() { return idx_file(label_magic, {4}, std::string("\3\0\11\1", 4)); }

/// What reading such a file says, after the file's name.
std::string read_error(const std::string& name, std::string_view bytes) {
  const TemporaryFolder folder;
  const std::string file = folder / name;
  write_bytes(file, bytes);
  const std::string message =
      error_of([&] { name.starts_with("images") ? read_idx_images(file) : read_idx_labels(file, 10); });
  return message.starts_with(file + ": ") ? message.substr(file.size() + 2) : message;
}

TEST_CASE("images and labels are read, plain and compressed", "[idx]") {
  const TemporaryFolder folder;
  write_bytes(folder / "images", two_images());
  write_bytes(folder / "images.gz", gzip(two_images()));
  write_bytes(folder / "labels", four_labels());
  write_bytes(folder / "labels.gz", gzip(four_labels()));
  for (const std::string ending : {"", ".gz"}) {
    CHECK(read_idx_images(folder / ("images" + ending)) ==
          Tensor::of<std::uint8_t>({2, 2, 3}, {0, 1, 2, 3, 4, 5, 255, 7, 8, 9, 10, 11}));
    CHECK(read_idx_labels(folder / ("labels" + ending), 10) == Tensor::of<std::int32_t>({4}, {3, 0, 9, 1}));
  }
}

TEST_CASE("headers are checked before anything is allocated", "[idx]") {
  CHECK(read_error("images", four_labels()) == "expected magic number 2051 (images), found 2049");
  CHECK(read_error("labels", two_images()) == "expected magic number 2049 (labels), found 2051");
  CHECK(read_error("images", gzip(two_images())) == "expected magic number 2051 (images), found 529205248");
  CHECK(read_error("images", "") == "expected an IDX header of 16 bytes, found 0");
  CHECK(read_error("images", two_images().substr(0, 15)) == "expected an IDX header of 16 bytes, found 15");
  CHECK(read_error("labels.gz", gzip(four_labels().substr(0, 7))) ==
        "expected an IDX header of 8 bytes, found 7");
  CHECK(read_error("images", idx_file(image_magic, {0, 28, 28}, "")) ==
        "expected at least one of images, found shape (0, 28, 28)");
  CHECK(read_error("images", idx_file(image_magic, {5, 28, 0}, "")) ==
        "expected at least one of images, found shape (5, 28, 0)");
  CHECK(read_error("labels", idx_file(label_magic, {0}, "")) ==
        "expected at least one of labels, found shape (0)");
  for (const std::string name : {"images", "images.gz"}) {
    const std::string bytes = idx_file(image_magic, {0xffffffff, 0xffffffff, 0xffffffff}, "");
    CHECK(read_error(name, name == "images" ? bytes : gzip(bytes)) ==
          "expected at most 1073741824 bytes of images, found shape (4294967295, 4294967295, 4294967295)");
  }
}

TEST_CASE("the data must be as long as the header says", "[idx]") {
  const std::string images = two_images();
  const std::string expected = "expected 28 bytes for images of shape (2, 2, 3), found ";
  CHECK(read_error("images", images.substr(0, 27)) == expected + "27");
  CHECK(read_error("images", images + "x") == expected + "29");
  CHECK(read_error("images.gz", gzip(images.substr(0, 27))) == expected + "27");
  CHECK(read_error("images.gz", gzip(images + "x")) == "expected at most 28 uncompressed bytes, found more");
  CHECK(read_error("labels", four_labels() + "x") == "expected 12 bytes for labels of shape (4), found 13");
}

TEST_CASE("damaged compressed files are told apart", "[idx]") {
  const std::string good = gzip(two_images());
  CHECK(read_error("images.gz", two_images()) == "expected gzip data (1f 8b), found 00 00");
  CHECK(read_error("images.gz", "") == "expected gzip data, found 0 bytes");
  CHECK(read_error("images.gz", good.substr(0, good.size() - 1)) == "gzip data ends early");
  std::string corrupt = good;
  corrupt[good.size() - 6] ^= 1;
  CHECK(read_error("images.gz", corrupt) == "corrupt gzip data: incorrect data check");
}

TEST_CASE("labels must be classes", "[idx]") {
  CHECK(read_error("labels", idx_file(label_magic, {3}, "\1\11\12")) ==
        "expected labels 0 .. 9, found 10 at index 2");
  CHECK(read_error("labels", idx_file(label_magic, {1}, "\xff")) ==
        "expected labels 0 .. 9, found 255 at index 0");
}

TEST_CASE("files that can't be read are named", "[idx]") {
  const TemporaryFolder folder;
  CHECK(error_of([&] { read_idx_images(folder / "missing.gz"); }) ==
        folder / "missing.gz" + ": no such file");
  CHECK(error_of([&] { read_idx_labels(folder.path(), 10); }) ==
        folder.path().string() + ": expected a file, found a directory");
}

TEST_CASE("mutated IDX files give an Error or a tensor", "[idx]") {
  const TemporaryFolder folder;
  std::uint64_t state = 20240603;
  INFO("seed " << state);
  for (const std::string name : {"images", "images.gz", "labels", "labels.gz"}) {
    const std::string plain = name.starts_with("images") ? two_images() : four_labels();
    const std::string good = name.ends_with(".gz") ? gzip(plain) : plain;
    int errors = 0;
    for (int round = 0; round < 1000; ++round) {
      INFO(name << " round " << round);
      const std::string file = folder / name;
      write_bytes(file, testing::mutated(good, state));
      std::size_t size = 0;
      const std::string message = error_of([&] {
        size = (name.starts_with("images") ? read_idx_images(file) : read_idx_labels(file, 10)).bytes();
      });
      errors += message != "no error";
      CHECK(size <= 100);
      CHECK(message.find('\n') == std::string::npos);
    }
    CHECK(errors > 300);
  }
}

}  // namespace
}  // namespace relaxon
