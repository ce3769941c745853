#include "core/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/file.hpp"

namespace relaxon {
namespace {

static_assert(std::endian::native == std::endian::little, "the data are copied as they lie in memory");

using Json = nlohmann::json;

constexpr std::string_view metadata_key = "__metadata__";
constexpr std::size_t length_bytes = 8;
constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own bound
constexpr std::size_t max_axes = 16;
constexpr std::array all_dtypes = {DType::f32, DType::i8,  DType::u8,     DType::i32,
                                   DType::i64, DType::u32, DType::boolean};

/// A name from a file as one short printable line.
std::string printable(std::string_view name) {
  constexpr std::size_t longest = 80;
  return Json(name.substr(0, longest)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

/// One tensor of the header: its bytes are [begin, end) of the data.
struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin, end;
};

/// Reads the header of the file called `file_`; its name starts every message.
class HeaderReader {
 public:
  HeaderReader(std::string file, std::uint64_t data_bytes)
      : file_(std::move(file)), data_bytes_(data_bytes) {}

  Json parse(std::string_view text) const {
    // Only what a header can hold is built, so that memory stays in proportion to its length.
    constexpr int deepest = 3;  // header, tensor, list, number
    std::array<std::set<std::string>, 2> keys;
    const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
      if (depth > deepest) fail("{}: expected a header of flat tensor entries, found deeper nesting", file_);
      if (event == Json::parse_event_t::key && depth <= 2) {
        auto& seen = keys[static_cast<std::size_t>(depth) - 1];
        const auto& key = parsed.get_ref<const std::string&>();
        if (!seen.insert(key).second) fail("{}: {} is given twice in the header", file_, printable(key));
        if (depth == 1) keys[1].clear();
      }
      return true;
    };
    try {
      return Json::parse(text, check);
    } catch (const Json::parse_error& error) {
      fail("{}: expected a header of JSON, found an error at its byte {}", file_, error.byte);
    } catch (const Json::exception&) {  // a number too large for a double
      fail("{}: expected a header of JSON, found a number out of range", file_);
    }
  }

  std::map<std::string, std::string> metadata(const Json& header) const {
    std::map<std::string, std::string> result;
    const auto found = header.find(metadata_key);
    if (found == header.end()) return result;
    if (!found->is_object()) fail("{}: {}: expected a map of strings", file_, metadata_key);
    for (const auto& [key, value] : found->items()) {
      if (!value.is_string()) fail("{}: {}: expected a string for {}", file_, metadata_key, printable(key));
      result.emplace(key, value.get<std::string>());
    }
    return result;
  }

  Entry entry(const std::string& name, const Json& json) const {
    const std::string where = fmt::format("{}: tensor {}", file_, printable(name));
    constexpr std::array members = {"dtype", "shape", "data_offsets"};
    const auto has = [&](const char* member) { return json.contains(member); };
    if (!json.is_object() || json.size() != members.size() ||
        !std::all_of(members.begin(), members.end(), has)) {
      fail("{}: expected an object of dtype, shape and data_offsets", where);
    }
    Entry entry{.name = name, .dtype = dtype(json["dtype"], where), .shape = {}, .begin = 0, .end = 0};
    entry.shape = shape(json["shape"], where);
    std::tie(entry.begin, entry.end) = offsets(json["data_offsets"], where);
    check_size(entry, where);
    return entry;
  }

  /// The format knows no holes: the entries in order of their offsets cover the data exactly.
  void check_cover(std::vector<Entry> entries) const {
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    std::uint64_t at = 0;
    for (const Entry& entry : entries) {
      if (entry.begin != at) {
        fail("{}: tensor {}: expected its data at byte {}, where the one before ends, found byte {}", file_,
             printable(entry.name), at, entry.begin);
      }
      at = entry.end;
    }
    if (at != data_bytes_) fail("{}: expected {} bytes of data, found {}", file_, at, data_bytes_);
  }

 private:
  static DType dtype(const Json& json, const std::string& where) {
    if (!json.is_string()) fail("{}: expected the name of a dtype", where);
    const auto& given = json.get_ref<const std::string&>();
    std::string known;
    for (const DType dtype : all_dtypes) {
      if (name_of(dtype) == given) return dtype;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", name_of(dtype));
    }
    fail("{}: expected dtype {}, found {}", where, known, printable(given));
  }

  static Shape shape(const Json& json, const std::string& where) {
    const auto is_length = [](const Json& n) { return n.is_number_unsigned(); };
    if (!json.is_array() || !std::all_of(json.begin(), json.end(), is_length)) {
      fail("{}: expected a shape of non-negative integers", where);
    }
    if (json.size() > max_axes) fail("{}: expected at most {} axes, found {}", where, max_axes, json.size());
    constexpr auto limit = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max() / 8);
    std::uint64_t product = 1;
    Shape shape;
    for (const Json& axis : json) {
      const auto length = axis.get<std::uint64_t>();
      // Zeros don't excuse the other lengths: their product is formed in any order elsewhere.
      const std::uint64_t factor = std::max<std::uint64_t>(length, 1);
      if (factor > limit / product) fail("{}: its shape has too many elements", where);
      product *= factor;
      shape.push_back(static_cast<std::int64_t>(length));
    }
    return shape;
  }

  static std::pair<std::uint64_t, std::uint64_t> offsets(const Json& json, const std::string& where) {
    if (!json.is_array() || json.size() != 2 || !json[0].is_number_unsigned() ||
        !json[1].is_number_unsigned()) {
      fail("{}: expected data_offsets of two non-negative integers", where);
    }
    return {json[0].get<std::uint64_t>(), json[1].get<std::uint64_t>()};
  }

  void check_size(const Entry& entry, const std::string& where) const {
    if (entry.begin > entry.end || entry.end > data_bytes_) {
      fail("{}: expected data_offsets within {} bytes of data, found [{}, {}]", where, data_bytes_,
           entry.begin, entry.end);
    }
    const std::uint64_t needed = static_cast<std::uint64_t>(count(entry.shape)) * size_of(entry.dtype);
    if (entry.end - entry.begin != needed) {
      fail("{}: expected {} bytes for {} {}, found {}", where, needed, name_of(entry.dtype),
           to_string(entry.shape), entry.end - entry.begin);
    }
  }

  std::string file_;
  std::uint64_t data_bytes_;
};

Tensor tensor_of(const Entry& entry, std::string_view data, const std::string& file) {
  Tensor tensor(entry.dtype, entry.shape);
  const std::string_view bytes = data.substr(entry.begin, entry.end - entry.begin);
  if (entry.dtype == DType::boolean) {
    const auto bad = std::find_if(bytes.begin(), bytes.end(), [](char c) { return c != 0 && c != 1; });
    if (bad != bytes.end()) {
      fail("{}: tensor {}: expected BOOL bytes of 0 or 1, found {} at element {}", file,
           printable(entry.name), static_cast<int>(static_cast<unsigned char>(*bad)), bad - bytes.begin());
    }
  }
  std::memcpy(tensor.raw(), bytes.data(), bytes.size());
  return tensor;
}

/// Splits a file into header text and data.
std::pair<std::string_view, std::string_view> sections(std::string_view bytes, const std::string& file) {
  if (bytes.size() < length_bytes) {
    fail("{}: expected a safetensors file, found {} bytes", file, bytes.size());
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), length_bytes);
  bytes.remove_prefix(length_bytes);
  if (length > max_header_bytes) {
    fail("{}: expected a safetensors header of at most {} bytes, found {}", file, max_header_bytes, length);
  }
  if (length > bytes.size()) {
    fail("{}: expected a header of {} bytes, found {}", file, length, bytes.size());
  }
  return {bytes.substr(0, length), bytes.substr(length)};
}

/// Names in the order of their data.
std::vector<std::string> data_order(const std::map<std::string, Tensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return size_of(tensors.at(a).dtype()) > size_of(tensors.at(b).dtype());
  });
  return names;
}

std::string header_text(const Safetensors& contents, const std::vector<std::string>& order,
                        const std::string& file) {
  Json header = Json::object();
  if (!contents.metadata.empty()) header[std::string(metadata_key)] = contents.metadata;
  std::uint64_t at = 0;
  for (const std::string& name : order) {
    if (name == metadata_key) fail("{}: cannot write: a tensor can't be called {}", file, metadata_key);
    const Tensor& tensor = contents.tensors.at(name);
    header[name] = {{"dtype", name_of(tensor.dtype())},
                    {"shape", tensor.shape()},
                    {"data_offsets", {at, at + tensor.bytes()}}};
    at += tensor.bytes();
  }
  try {
    std::string text = header.dump();
    constexpr std::size_t alignment = 8;
    text.append((alignment - (length_bytes + text.size()) % alignment) % alignment, ' ');
    return text;
  } catch (const Json::exception&) {
    fail("{}: cannot write: names and metadata must be UTF-8", file);
  }
}

}  // namespace

Safetensors load_safetensors(const std::filesystem::path& path) {
  const std::string file = path.string();
  const std::string bytes = read_file(path);
  const auto [text, data] = sections(bytes, file);
  const HeaderReader reader(file, data.size());
  const Json header = reader.parse(text);
  if (!header.is_object()) fail("{}: expected a header that is a JSON object", file);
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name != metadata_key) entries.push_back(reader.entry(name, json));
  }
  reader.check_cover(entries);
  Safetensors contents;
  contents.metadata = reader.metadata(header);
  for (const Entry& entry : entries) contents.tensors.emplace(entry.name, tensor_of(entry, data, file));
  return contents;
}

void save_safetensors(const std::filesystem::path& path, const Safetensors& contents) {
  const std::vector<std::string> order = data_order(contents.tensors);
  const std::string header = header_text(contents, order, path.string());
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const std::string& name : order) {
    const Tensor& tensor = contents.tensors.at(name);
    file.write({tensor.raw(), tensor.bytes()});
  }
  file.commit();
}

}  // namespace relaxon
