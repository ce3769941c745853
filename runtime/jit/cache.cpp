#include "runtime/jit/cache.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <system_error>
#include <vector>

#include "core/error.hpp"
#include "core/file.hpp"

namespace relaxon::jit {
namespace {

namespace fs = std::filesystem;

// An entry: magic, length of the key, length of the code, checksum of everything that follows, key, code.
constexpr std::string_view magic = "relaxon code 1\n";
constexpr std::string_view extension = ".rxcode";
constexpr std::size_t header_bytes = magic.size() + 3 * sizeof(std::uint64_t);
constexpr std::uint64_t largest_entry = std::uint64_t{1} << 28;

void append(std::string& to, std::uint64_t number) {
  for (int byte = 0; byte < 8; ++byte) to += static_cast<char>(number >> (8 * byte) & 0xff);
}

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t byte = 0; byte < 8; ++byte)
    number |= std::uint64_t{static_cast<unsigned char>(bytes[at + byte])} << (8 * byte);
  return number;
}

std::uint64_t checksum(std::string_view bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

std::string entry_of(std::string_view key, std::string_view code) {
  std::string content(key);
  content += code;
  std::string entry(magic);
  append(entry, key.size());
  append(entry, code.size());
  append(entry, checksum(content));
  return entry + content;
}

/// The code of an entry that is whole and belongs to `key`.
std::optional<std::string> code_of(std::string_view entry, std::string_view key) {
  if (entry.size() < header_bytes || !entry.starts_with(magic)) return std::nullopt;
  const std::string_view content = entry.substr(header_bytes);
  const std::uint64_t key_bytes = number_at(entry, magic.size());
  const std::uint64_t code_bytes = number_at(entry, magic.size() + 8);
  if (key_bytes != key.size() || content.size() < key_bytes || content.size() - key_bytes != code_bytes)
    return std::nullopt;
  if (number_at(entry, magic.size() + 16) != checksum(content) || !content.starts_with(key))
    return std::nullopt;
  return std::string(content.substr(key_bytes));
}

}  // namespace

fs::path CodeCache::path_of(std::string_view key) const {
  const XXH128_hash_t hash = XXH3_128bits(key.data(), key.size());
  return folder_.value_or("") / fmt::format("{:016x}{:016x}{}", hash.high64, hash.low64, extension);
}

CodeCache::Found CodeCache::find(std::string_view key) const {
  if (!folder_) return {std::nullopt, "the cache is off"};
  const fs::path path = path_of(key);
  std::error_code error;
  if (!fs::exists(path, error)) return {std::nullopt, "not in the cache"};
  try {
    if (auto code = code_of(read_file(path, largest_entry), key)) {
      fs::last_write_time(path, fs::file_time_type::clock::now(), error);  // used last
      return {std::move(code), ""};
    }
  } catch (const Error&) {
    return {std::nullopt, "its entry in the cache can't be read"};
  }
  return {std::nullopt, "its entry in the cache is damaged"};
}

void CodeCache::store(std::string_view key, std::string_view code) const {
  if (!folder_) return;
  std::error_code error;
  fs::create_directories(*folder_, error);
  try {
    write_file_atomically(path_of(key), entry_of(key, code));
  } catch (const Error&) {
    return;  // a cache that can't be written is one that stays empty
  }
  make_room();
}

void CodeCache::make_room() const {
  struct Entry {
    fs::file_time_type used;
    std::uint64_t bytes;
    fs::path path;
  };
  std::vector<Entry> entries;
  std::uint64_t total = 0;
  std::error_code error;
  for (fs::directory_iterator i(*folder_, error), end; !error && i != end; i.increment(error)) {
    if (i->path().extension() != extension) continue;
    std::error_code one;
    const auto used = i->last_write_time(one);
    const auto bytes = one ? 0 : i->file_size(one);
    if (one) continue;
    entries.push_back({used, bytes, i->path()});
    total += bytes;
  }
  if (error) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : entries) {
    if (total <= capacity_) return;
    if (fs::remove(entry.path, error)) total -= entry.bytes;
  }
}

}  // namespace relaxon::jit
