#include "frontends/toml_reader.hpp"

#include <algorithm>
#include <cmath>

namespace relaxon {
namespace {

/// Keys of a document may nest this deep. Real files need three levels; a reader that recurses can't take
/// hundreds of thousands.
constexpr int max_key_depth = 64;

/// Starts the name of every document that is an argument, so that none is taken for a file.
constexpr std::string_view command_line_prefix = "--set ";

/// The text on one line, at most `limit` bytes of it.
std::string one_line(std::string_view text, std::size_t limit) {
  std::string out;
  for (const char c : text.substr(0, limit)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return text.size() > limit ? out + "..." : out;
}

bool is_bare(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

/// A key as TOML writes it.
std::string written(std::string_view key) {
  return is_bare(key) ? std::string(key) : fmt::format("\"{}\"", one_line(key, 100));
}

std::string joined(std::string_view path, std::string_view key) {
  return path.empty() ? written(key) : fmt::format("{}.{}", path, written(key));
}

/// What an error says was found.
std::string description(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("\"{}\"", one_line(text->get(), 60));
  if (const auto* integer = node.as_integer()) return fmt::format("{}", integer->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (node.is_table()) return "a table";
  if (const auto* list = node.as_array()) {
    return list->empty() ? "an empty list" : fmt::format("a list of {}", list->size());
  }
  return "a date or time";
}

/// Where the string literal that starts at `begin` ends: after its closing quotes, or at the end of the text.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  const std::string triple(3, quote);
  const bool multiline = text.substr(begin, 3) == triple;
  const std::string_view close = multiline ? std::string_view(triple) : std::string_view(triple).substr(0, 1);
  for (std::size_t at = begin + close.size(); at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text.substr(at, close.size()) == close) {
      return at + close.size();
    } else if (!multiline && text[at] == '\n') {
      return at;
    }
  }
  return text.size();
}

/// toml++ bounds how deep values nest, but not how many parts a dotted key has.
void check_key_depth(std::string_view text, const std::string& name) {
  int line = 1;
  int dots = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
      case '"':
      case '\'': {
        const std::size_t end = end_of_string(text, at);
        line += static_cast<int>(std::count(text.begin() + static_cast<std::ptrdiff_t>(at),
                                            text.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
        at = end - 1;
        break;
      }
      case '#': at = std::min(text.find('\n', at), text.size()) - 1; break;
      case '\n': ++line; [[fallthrough]];
      case '=':
      case ',':
      case '[':
      case '{': dots = 0; break;
      case '.':
        if (++dots >= max_key_depth) {
          fail("{}:{}: expected a key of at most {} parts, found more", name, line, max_key_depth);
        }
        break;
      default: break;
    }
  }
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& name) {
  check_key_depth(text, name);
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    fail("{}:{}:{}: {}", name, at.line, at.column, one_line(error.description(), 300));
  }
}

std::string command_line_name(std::string_view argument) {
  return fmt::format("{}{}", command_line_prefix, one_line(argument, 200));
}

std::string TomlValue::location() const {
  const std::string& document = *node_->source().path;
  return document.starts_with(command_line_prefix) ? document : fmt::format("{}:{}", document, line());
}

const toml::table& TomlValue::table(std::string_view expected) const {
  const toml::table* table = node_->as_table();
  if (table == nullptr) refuse(expected);
  return *table;
}

const toml::array& TomlValue::list(std::string_view expected) const {
  const toml::array* list = node_->as_array();
  if (list == nullptr) refuse(expected);
  return *list;
}

std::optional<TomlValue> TomlValue::find(std::string_view key) const {
  const toml::table* table = node_->as_table();
  const toml::node* node = table == nullptr ? nullptr : table->get(key);
  if (node == nullptr) return std::nullopt;
  return TomlValue(*node, path_of(key));
}

TomlValue TomlValue::element(std::size_t index) const {
  return {*list("a list").get(index), fmt::format("{}[{}]", path_, index)};
}

std::string TomlValue::path_of(std::string_view key) const { return joined(path_, key); }

void TomlValue::refuse(std::string_view expected) const { refuse(expected, description(*node_)); }

void TomlValue::refuse(std::string_view expected, std::string_view found) const {
  fail("{}: {}: expected {}, found {}", location(), path_, expected, found);
}

double TomlReader<double>::read(const TomlValue& value) {
  if (const auto* integer = value.node().as_integer()) return static_cast<double>(integer->get());
  const auto* number = value.node().as_floating_point();
  if (number == nullptr) value.refuse(expected());
  if (!std::isfinite(number->get())) value.refuse("a finite number");
  return number->get();
}

bool TomlReader<bool>::read(const TomlValue& value) {
  const auto* truth = value.node().as_boolean();
  if (truth == nullptr) value.refuse(expected());
  return truth->get();
}

std::string TomlReader<std::string>::read(const TomlValue& value) {
  const auto* text = value.node().as_string();
  if (text == nullptr) value.refuse(expected());
  return text->get();
}

std::filesystem::path TomlReader<std::filesystem::path>::read(const TomlValue& value) {
  const auto* text = value.node().as_string();
  // A zero byte would end the name early wherever it is handed to the system.
  if (text == nullptr || text->get().empty() || text->get().find('\0') != std::string::npos) {
    value.refuse(expected());
  }
  return text->get();
}

void refuse_missing(const TomlValue& table, std::string_view key, std::string_view expected) {
  fail("{}: {}: expected {}, found nothing", table.location(), table.path_of(key), expected);
}

void check_keys(const TomlValue& table, const std::vector<std::string_view>& known) {
  for (const auto& [key, node] : table.table()) {
    if (std::ranges::find(known, key.str()) != known.end()) continue;
    TomlValue(node, table.path_of(key.str()))
        .refuse(fmt::format("one of the keys {}", fmt::join(known, ", ")), "an unknown key");
  }
}

}  // namespace relaxon
