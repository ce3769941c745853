#include "tests/support/files.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace relaxon::testing {
namespace {

/// splitmix64, bounded.
std::uint64_t next_below(std::uint64_t bound, std::uint64_t& state) {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (z ^ (z >> 31)) % bound;
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "relaxon-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> TemporaryFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  if (::deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::runtime_error("cannot compress");
  }
  std::string out(::deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("cannot compress");
  return out;
}

std::string idx_file(std::uint32_t magic, const std::vector<std::uint32_t>& lengths, std::string_view data) {
  std::string bytes;
  const auto append = [&](std::uint32_t word) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(word >> shift & 0xff));
  };
  append(magic);
  for (const std::uint32_t length : lengths) append(length);
  return bytes.append(data);
}

std::string mutated(std::string bytes, std::uint64_t& state) {
  for (auto changes = 1 + next_below(3, state); changes > 0; --changes) {
    const auto at = static_cast<std::ptrdiff_t>(next_below(bytes.size() + 1, state));
    const auto value = static_cast<char>(next_below(256, state));
    const auto length = static_cast<std::ptrdiff_t>(next_below(9, state));
    const auto end = std::min(at + length, static_cast<std::ptrdiff_t>(bytes.size()));
    switch (next_below(5, state)) {
      case 0:
      case 1: std::fill(bytes.begin() + at, bytes.begin() + std::min(at + 1, end), value); break;
      case 2: bytes.erase(bytes.begin() + at, bytes.begin() + end); break;
      case 3:
        bytes.insert(static_cast<std::size_t>(at), bytes.substr(static_cast<std::size_t>(at), 8));
        break;
      case 4: bytes.insert(bytes.begin() + at, value); break;
    }
  }
  return bytes;
}

}  // namespace relaxon::testing
