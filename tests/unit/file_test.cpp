#include "core/file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::gzip;
using testing::TemporaryFolder;
using testing::write_bytes;

/// Files of this process can't grow beyond `bytes` while this lives: a full disk that needs no disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

/// While it lives a process of the superuser, whom permissions don't stop, is somebody else.
class WithoutPrivileges {
 public:
  WithoutPrivileges() : user_(::geteuid()) {
    if (user_ == 0) changed_ = ::seteuid(65534) == 0;
  }
  ~WithoutPrivileges() {
    if (changed_ && ::seteuid(user_) != 0) std::abort();
  }
  WithoutPrivileges(const WithoutPrivileges&) = delete;
  WithoutPrivileges& operator=(const WithoutPrivileges&) = delete;

 private:
  uid_t user_;
  bool changed_ = false;
};

std::string contents_with_zeros() { return std::string("a\0b\n\xff", 5); }

TEST_CASE("a file is read byte by byte", "[file]") {
  const TemporaryFolder folder;
  write_bytes(folder / "f", contents_with_zeros());
  CHECK(read_file(folder / "f") == contents_with_zeros());
  write_bytes(folder / "empty", "");
  CHECK(read_file(folder / "empty").empty());
}

TEST_CASE("errors of reading name the file", "[file]") {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing";
  CHECK(error_of([&] { read_file(missing); }) == missing + ": no such file");
  const std::string directory = folder.path().string();
  CHECK(error_of([&] { read_file(directory); }) == directory + ": expected a file, found a directory");

  const std::string file = folder / "file";
  write_bytes(file, "12345");
  CHECK(error_of([&] { read_file(file, 5); }) == "no error");
  CHECK(error_of([&] { read_file(file, 4); }) == file + ": expected at most 4 bytes, found 5");
  CHECK(error_of([&] { read_file(file + "/below"); }) == file + "/below: cannot open: Not a directory");

  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error_of([&] { read_file(pipe); }) == pipe + ": expected a file, found a special file");
}

TEST_CASE("a file without permission can't be read", "[file]") {
  const TemporaryFolder folder;
  const std::string file = folder / "file";
  write_bytes(file, "secret");
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  REQUIRE(::chmod(file.c_str(), 0) == 0);
  const WithoutPrivileges nobody;
  CHECK(error_of([&] { read_file(file); }) == file + ": cannot open: Permission denied");
}

TEST_CASE("a sparse file that is too large is refused before memory is taken", "[file]") {
  const TemporaryFolder folder;
  const std::string file = folder / "huge";
  write_bytes(file, "");
  REQUIRE(::truncate(file.c_str(), off_t{1} << 40) == 0);
  CHECK(error_of([&] { read_file(file); }) ==
        file + ": expected at most 4294967296 bytes, found 1099511627776");
}

TEST_CASE("written files are complete and leave nothing else", "[file]") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "f", contents_with_zeros());
  CHECK(read_file(folder / "f") == contents_with_zeros());
  write_file_atomically(folder / "f", "again");
  CHECK(read_file(folder / "f") == "again");
  CHECK(folder.names() == std::vector<std::string>{"f"});
}

TEST_CASE("a written file has the permissions of any new file", "[file]") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "ours", "x");
  write_bytes(folder / "plain", "x");
  CHECK(std::filesystem::status(folder / "ours").permissions() ==
        std::filesystem::status(folder / "plain").permissions());
}

TEST_CASE("writing through a link replaces the file, not the link", "[file]") {
  const TemporaryFolder folder;
  write_bytes(folder / "target", "old");
  std::filesystem::create_symlink("target", folder / "link");
  write_file_atomically(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_file(folder / "target") == "new");
}

TEST_CASE("a file that isn't committed never appears", "[file]") {
  const TemporaryFolder folder;
  write_bytes(folder / "f", "old");
  {
    AtomicFile file(folder / "f");
    file.write("half of the n");
    CHECK(folder.names().size() == 2);
  }
  CHECK(read_file(folder / "f") == "old");
  CHECK(folder.names() == std::vector<std::string>{"f"});
}

TEST_CASE("two writers of one file don't disturb each other", "[file]") {
  const TemporaryFolder folder;
  AtomicFile first(folder / "f");
  AtomicFile second(folder / "f");
  first.write("first");
  second.write("second");
  second.commit();
  CHECK(read_file(folder / "f") == "second");
  first.commit();
  CHECK(read_file(folder / "f") == "first");
  CHECK(folder.names() == std::vector<std::string>{"f"});
}

TEST_CASE("a disk without room gives an error and keeps the old file", "[file]") {
  const TemporaryFolder folder;
  const std::string file = folder / "f";
  write_bytes(file, "old");
  const std::string large(10'000, 'x');
  {
    const FileSizeLimit limit(4096);
    CHECK(error_of([&] { write_file_atomically(file, large); }) == file + ": cannot write: File too large");
  }
  CHECK(read_file(file) == "old");
  CHECK(folder.names() == std::vector<std::string>{"f"});
}

TEST_CASE("errors of writing name the file", "[file]") {
  const TemporaryFolder folder;
  const auto write_error = [](const std::string& path) {
    return error_of([&] { write_file_atomically(path, "x"); });
  };
  const std::string orphan = folder / "missing/f";
  CHECK(write_error(orphan) == orphan + ": cannot write: No such file or directory");
  const std::string directory = folder.path().string();
  CHECK(write_error(directory) == directory + ": cannot write: expected a file, found a directory");
  CHECK(write_error("/dev/null") == "/dev/null: cannot write: expected a file, found a special file");
  CHECK(folder.names().empty());
}

TEST_CASE("gzip data of one or several members are decoded", "[file]") {
  const std::string text(300'000, 'r');
  CHECK(gunzip(gzip(text), text.size(), "g") == text);
  CHECK(gunzip(gzip("ab") + gzip("") + gzip("c"), 3, "g") == "abc");
  CHECK(gunzip(gzip(""), 0, "g").empty());
  CHECK(gunzip_prefix(gzip(text), 4, "g") == "rrrr");
  CHECK(gunzip_prefix(gzip("ab"), 4, "g") == "ab");
}

TEST_CASE("errors of gzip data are told apart", "[file]") {
  const auto gunzip_error = [](const std::string& bytes, std::uint64_t max_bytes = 100) {
    return error_of([&] { gunzip(bytes, max_bytes, "data.gz"); });
  };
  const std::string good = gzip("some text that takes a few bytes");
  CHECK(gunzip_error("") == "data.gz: expected gzip data, found 0 bytes");
  CHECK(gunzip_error("plain text") == "data.gz: expected gzip data (1f 8b), found 70 6c");
  for (std::size_t length = 2; length < good.size(); ++length) {
    CHECK(gunzip_error(good.substr(0, length)) == "data.gz: gzip data ends early");
  }
  CHECK(gunzip_error(good + "xy") == "data.gz: expected gzip data (1f 8b), found 78 79");
  CHECK(gunzip_error(good + "\x1f") == "data.gz: expected gzip data, found 1 bytes");
  CHECK(gunzip_error(good, 31) == "data.gz: expected at most 31 uncompressed bytes, found more");
  std::string corrupt = good;
  corrupt[good.size() - 6] ^= 1;
  CHECK(gunzip_error(corrupt) == "data.gz: corrupt gzip data: incorrect data check");
  corrupt = good;
  corrupt[good.size() - 2] ^= 1;
  CHECK(gunzip_error(corrupt) == "data.gz: corrupt gzip data: incorrect length check");
}

TEST_CASE("a small file that decodes to a huge one stops at the bound", "[file]") {
  const std::string bomb = gzip(std::string(20'000'000, '\0'));
  CHECK(error_of([&] { gunzip(bomb, 1000, "bomb.gz"); }) ==
        "bomb.gz: expected at most 1000 uncompressed bytes, found more");
}

TEST_CASE("mutated gzip data give an Error or bytes within the bound", "[file]") {
  std::uint64_t state = 20240601;
  INFO("seed " << state);
  const std::string good = gzip("some text, some text, and then some other text") + gzip("end");
  int errors = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string bytes = testing::mutated(good, state);
    INFO("round " << round);
    std::size_t size = 0;
    const std::string message = error_of([&] { size = gunzip(bytes, 200, "g").size(); });
    errors += message != "no error";
    CHECK(size <= 200);
    CHECK(message.find('\n') == std::string::npos);
  }
  CHECK(errors > 1000);
}

}  // namespace
}  // namespace relaxon
