// Reading TOML into plain values, with errors that say where and what:
//
//     net.toml:12: network.seed: expected an integer 0 .. 9223372036854775807, found "x"
//
// A table is read all at once by read_table(), which knows its keys from the fields it is given: a key that
// no field names, a required one that is missing and a value of the wrong type each throw Error.
#pragma once

#include <toml++/toml.h>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace relaxon {

/// Parses a document that errors call `name`. Throws Error "name:line:column: ...", also for keys nested so
/// deep that a recursive reader could not follow.
toml::table parse_toml(std::string_view text, const std::string& name);

/// What errors call a document that is an argument of --set: one line, and no line numbers after it.
std::string command_line_name(std::string_view argument);

/// One part of a document and the path that leads to it, e.g. edge.1-0.lr. Refers to the document.
class TomlValue {
 public:
  TomlValue(const toml::node& node, std::string path) : node_(&node), path_(std::move(path)) {}

  const toml::node& node() const { return *node_; }
  const std::string& path() const { return path_; }
  /// "net.toml:12", or "--set network.seed=3" for what comes from the command line.
  std::string location() const;
  int line() const { return static_cast<int>(node_->source().begin.line); }

  /// The table or list this is. Throws Error if it is something else.
  const toml::table& table(std::string_view expected = "a table") const;
  const toml::array& list(std::string_view expected) const;
  /// The value of a table's key; nullopt where there is none, or where this is no table.
  std::optional<TomlValue> find(std::string_view key) const;
  /// Element of a list.
  TomlValue element(std::size_t index) const;
  /// What errors call the value of that key.
  std::string path_of(std::string_view key) const;

  /// Throws Error "location: path: expected ..., found (what this is)".
  [[noreturn]] void refuse(std::string_view expected) const;
  [[noreturn]] void refuse(std::string_view expected, std::string_view found) const;

 private:
  const toml::node* node_;
  std::string path_;
};

/// How a T is read. `expected()` completes "expected ..."; `read` throws Error.
template <class T>
struct TomlReader;

/// An integer in lo .. hi.
template <std::int64_t lo, std::int64_t hi>
struct Bounded {
  std::int64_t value = 0;
};

template <std::int64_t lo, std::int64_t hi>
struct TomlReader<Bounded<lo, hi>> {
  static std::string expected() { return fmt::format("an integer {} .. {}", lo, hi); }
  static Bounded<lo, hi> read(const TomlValue& value) {
    const auto* integer = value.node().as_integer();
    if (integer == nullptr || integer->get() < lo || integer->get() > hi) value.refuse(expected());
    return {integer->get()};
  }
};

template <std::signed_integral Integer>
struct TomlReader<Integer> {
  using Range = Bounded<std::numeric_limits<Integer>::min(), std::numeric_limits<Integer>::max()>;
  static std::string expected() { return "an integer"; }
  static Integer read(const TomlValue& value) {
    if (!value.node().is_integer()) value.refuse(expected());
    return static_cast<Integer>(TomlReader<Range>::read(value).value);
  }
};

template <>
struct TomlReader<double> {
  static std::string expected() { return "a number"; }
  /// Integers too; never NaN or infinite.
  static double read(const TomlValue& value);
};

template <>
struct TomlReader<bool> {
  static std::string expected() { return "true or false"; }
  static bool read(const TomlValue& value);
};

template <>
struct TomlReader<std::string> {
  static std::string expected() { return "a string"; }
  static std::string read(const TomlValue& value);
};

template <>
struct TomlReader<std::filesystem::path> {
  static std::string expected() { return "a path"; }
  static std::filesystem::path read(const TomlValue& value);
};

template <class T>
struct TomlReader<std::optional<T>> {
  static std::string expected() { return TomlReader<T>::expected(); }
  static std::optional<T> read(const TomlValue& value) { return TomlReader<T>::read(value); }
};

/// Each element of a list as a T.
template <class T>
std::vector<T> read_list(const TomlValue& value, std::string_view expected) {
  const std::size_t size = value.list(expected).size();
  std::vector<T> result;
  result.reserve(size);
  for (std::size_t i = 0; i < size; ++i) result.push_back(TomlReader<T>::read(value.element(i)));
  return result;
}

template <>
struct TomlReader<std::vector<double>> {
  static std::string expected() { return "a list of numbers"; }
  static std::vector<double> read(const TomlValue& value) { return read_list<double>(value, expected()); }
};

/// One of a few words. Specialised with `values`, an array of the enumerators; name_of gives their words.
template <class Enum>
struct Choices;

template <class Enum>
requires std::is_enum_v<Enum>
struct TomlReader<Enum> {
  static std::string expected() {
    std::string names;
    for (const Enum choice : Choices<Enum>::values) {
      names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", name_of(choice));
    }
    return "one of " + names;
  }
  static Enum read(const TomlValue& value) {
    if (const auto* word = value.node().as_string()) {
      for (const Enum choice : Choices<Enum>::values) {
        if (name_of(choice) == word->get()) return choice;
      }
    }
    value.refuse(expected());
  }
};

/// One key of a table and where its value goes. A key that is absent leaves the target as it is.
template <class T>
struct TomlField {
  std::string_view name;
  T& target;
  bool required;
};

template <class T>
TomlField<T> required_key(std::string_view name, T& target) {
  return {name, target, true};
}
template <class T>
TomlField<T> optional_key(std::string_view name, T& target) {
  return {name, target, false};
}

/// Throws Error for a missing key.
[[noreturn]] void refuse_missing(const TomlValue& table, std::string_view key, std::string_view expected);

/// Throws Error for the first key of the table that is none of `known`.
void check_keys(const TomlValue& table, const std::vector<std::string_view>& known);

template <class T>
void read_key(const TomlValue& table, const TomlField<T>& field) {
  if (const auto value = table.find(field.name)) {
    field.target = TomlReader<T>::read(*value);
  } else if (field.required) {
    refuse_missing(table, field.name, TomlReader<T>::expected());
  }
}

/// Reads a table that has these keys and no others.
template <class... T>
void read_table(const TomlValue& table, const TomlField<T>&... fields) {
  check_keys(table, {fields.name...});
  (read_key(table, fields), ...);
}

}  // namespace relaxon
