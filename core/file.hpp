// Reading whole files, and writing them so that nobody ever sees half of one.
//
// Every function throws Error with one line that starts with the file's name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace relaxon {

/// Larger files are refused before anything is allocated, unless the caller names another bound.
inline constexpr std::uint64_t max_file_bytes = std::uint64_t{1} << 32;

/// The bytes of a regular file of at most `max_bytes`.
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = max_file_bytes);

/// The bytes of gzip data (one or several members), which must come to at most `max_bytes`. Memory grows with
/// what is decoded, never with what a header claims. `name` is what errors call the data.
std::string gunzip(std::string_view compressed, std::uint64_t max_bytes, std::string_view name);

/// The first `n` bytes that gunzip would give, or all of them if there are fewer; nothing after them is
/// looked at.
std::string gunzip_prefix(std::string_view compressed, std::size_t n, std::string_view name);

/// A file that appears under its name only when it is complete: written under a temporary name in the same
/// folder, synchronised, renamed by commit(). Without a commit the temporary file is removed and what was
/// there before stays.
class AtomicFile {
 public:
  /// Opens the temporary file. `path` may exist as a regular file (a link is followed), nothing else.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }

  /// Makes the file durable under its name; the last call on this object.
  void commit();

 private:
  void open_temporary();
  [[noreturn]] void fail_with(std::string_view what, int error) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace relaxon
