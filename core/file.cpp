#include "core/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "core/error.hpp"

namespace relaxon {
namespace {

/// The most that one call of read(2) or write(2) is asked for; Linux stops near 2 GiB anyway.
constexpr std::size_t max_transfer = std::size_t{1} << 30;

std::string message_of(int error) { return std::generic_category().message(error); }

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

/// Reads until `size` bytes or the end of the file; the number read.
std::size_t read_fully(int descriptor, char* out, std::size_t size, const std::string& name) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(descriptor, out + done, std::min(size - done, max_transfer));
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("{}: cannot read: {}", name, message_of(errno));
    done += static_cast<std::size_t>(got);
  }
  return done;
}

/// Where `path` leads: renaming onto a link would replace the link instead of the file.
std::filesystem::path resolve(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return path;
  if (!std::filesystem::is_regular_file(status)) {
    fail("{}: cannot write: expected a file, found {}", path.string(),
         std::filesystem::is_directory(status) ? "a directory" : "a special file");
  }
  auto resolved = std::filesystem::canonical(path, error);
  return error ? path : resolved;
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const std::string name = path.string();
  // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENOENT) fail("{}: no such file", name);
  if (!file) fail("{}: cannot open: {}", name, message_of(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail("{}: cannot read: {}", name, message_of(errno));
  if (S_ISDIR(status.st_mode)) fail("{}: expected a file, found a directory", name);
  if (!S_ISREG(status.st_mode)) fail("{}: expected a file, found a special file", name);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) fail("{}: expected at most {} bytes, found {}", name, max_bytes, size);
  std::string bytes(size, '\0');
  bytes.resize(read_fully(file.get(), bytes.data(), bytes.size(), name));
  return bytes;
}

namespace {

/// Decodes gzip data piece by piece.
class Inflater {
 public:
  Inflater(std::string_view compressed, std::string_view name) : rest_(compressed), name_(name) {
    check_magic();
    // 16: a gzip header and trailer are required, and checked.
    if (::inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK) fail("{}: not enough memory to decompress", name_);
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Fills `out` as far as the data goes; the number of bytes written. Fewer than asked for means that the
  /// data ended, all of it checked.
  std::size_t read(std::span<char> out) {
    std::size_t done = 0;
    while (done < out.size() && !finished_) done += step(out.subspan(done));
    return done;
  }

 private:
  void check_magic() const {
    const auto byte = [&](std::size_t i) {
      return static_cast<unsigned>(static_cast<unsigned char>(rest_[i]));
    };
    if (rest_.size() < 2) fail("{}: expected gzip data, found {} bytes", name_, rest_.size());
    if (byte(0) != 0x1f || byte(1) != 0x8b) {
      fail("{}: expected gzip data (1f 8b), found {:02x} {:02x}", name_, byte(0), byte(1));
    }
  }

  std::size_t step(std::span<char> out) {
    const std::size_t taken = std::min(rest_.size(), max_transfer);
    const std::size_t offered = std::min(out.size(), max_transfer);
    // zlib's input pointer isn't const, but the input isn't written.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest_.data()));
    stream_.avail_in = static_cast<uInt>(taken);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(offered);
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    rest_.remove_prefix(taken - stream_.avail_in);
    const std::size_t written = offered - stream_.avail_out;
    if (result == Z_STREAM_END) {
      next_member();
    } else if (result == Z_BUF_ERROR) {
      fail("{}: gzip data ends early", name_);
    } else if (result == Z_MEM_ERROR) {
      fail("{}: not enough memory to decompress", name_);
    } else if (result != Z_OK) {
      fail("{}: corrupt gzip data: {}", name_, stream_.msg ? stream_.msg : "needs a dictionary");
    }
    return written;
  }

  void next_member() {
    finished_ = rest_.empty();
    if (finished_) return;
    check_magic();
    ::inflateReset(&stream_);
  }

  z_stream stream_{};
  std::string_view rest_;
  std::string_view name_;
  bool finished_ = false;
};

}  // namespace

std::string gunzip(std::string_view compressed, std::uint64_t max_bytes, std::string_view name) {
  Inflater inflater(compressed, name);
  std::string out;
  constexpr std::uint64_t usual_ratio = 16;  // room for the whole of it, which costs nothing until it is used
  out.reserve(static_cast<std::size_t>(std::min(max_bytes, usual_ratio * compressed.size())) + 2);
  std::size_t piece = 1 << 16;
  for (;;) {
    // One byte more than allowed shows that there is more.
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece, max_bytes - out.size())) + 1;
    const std::size_t before = out.size();
    out.resize(before + wanted);
    const std::size_t got = inflater.read(std::span(out).subspan(before));
    out.resize(before + got);
    if (out.size() > max_bytes)
      fail("{}: expected at most {} uncompressed bytes, found more", name, max_bytes);
    if (got < wanted) return out;
    piece = out.size();
  }
}

std::string gunzip_prefix(std::string_view compressed, std::size_t n, std::string_view name) {
  std::string out(n, '\0');
  out.resize(Inflater(compressed, name).read(out));
  return out;
}

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(resolve(path)) { open_temporary(); }

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::open_temporary() {
  constexpr int attempts =
      1000;  // names left behind by a process of the same number, or taken by other threads
  for (int i = 0; i < attempts; ++i) {
    auto candidate =
        folder_of(path_) / fmt::format(".{}.{}-{}.tmp", path_.filename().string(), ::getpid(), i);
    descriptor_ = ::open(candidate.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ >= 0) {
      temporary_ = std::move(candidate);
      return;
    }
    if (errno != EEXIST) break;
  }
  fail_with("cannot write", errno);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), max_transfer));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with("cannot write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail_with("cannot write", errno);
  // Network file systems report a full disk only here.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_with("cannot write", errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_with("cannot rename the written file", errno);
  temporary_.clear();
  const Descriptor folder(::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems can't synchronise a folder (EINVAL); there is no more to be done on them.
  if (!folder || (::fsync(folder.get()) != 0 && errno != EINVAL))
    fail_with("cannot synchronise its folder", errno);
}

void AtomicFile::fail_with(std::string_view what, int error) const {
  fail("{}: {}: {}", path_.string(), what, message_of(error));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace relaxon
