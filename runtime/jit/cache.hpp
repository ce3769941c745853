// Object code on disk, between runs.
//
// One file an entry, named after its key's hash. An entry holds its whole key and a checksum, and is used
// only if both are right: whatever else stands in the folder is rebuilt, never trusted. Entries appear under
// their name only when complete, so processes may share a folder. Nothing here is ever fatal: an entry that
// can't be read is missing, one that can't be written isn't kept, and errors delete nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace relaxon::jit {

class CodeCache {
 public:
  /// Entries that this program may leave in the folder, in bytes; the least recently used go first.
  static constexpr std::uint64_t default_capacity = std::uint64_t{64} << 20;

  /// A cache in `folder`, or one that keeps nothing.
  explicit CodeCache(std::optional<std::filesystem::path> folder, std::uint64_t capacity = default_capacity)
      : folder_(std::move(folder)), capacity_(capacity) {}

  struct Found {
    std::optional<std::string> code;
    std::string why_not;  // "not in the cache", "its entry in the cache is damaged", "the cache is off"
  };
  /// The code that was stored under `key`.
  Found find(std::string_view key) const;
  /// Keeps code; makes the folder if need be, then removes the oldest entries beyond the capacity.
  void store(std::string_view key, std::string_view code) const;
  /// Where the entry of a key lies.
  std::filesystem::path path_of(std::string_view key) const;

 private:
  void make_room() const;

  std::optional<std::filesystem::path> folder_;
  std::uint64_t capacity_;
};

}  // namespace relaxon::jit
