#include "core/target.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "core/error.hpp"

namespace relaxon {
namespace {

struct Field {
  std::string_view key;
  std::variant<int Target::*, Isa Target::*, std::int64_t Target::*, double Target::*> member;
};

constexpr std::array<Field, 14> fields{{{"cores", &Target::cores},
                                        {"isa", &Target::isa},
                                        {"l1", &Target::l1},
                                        {"l2", &Target::l2},
                                        {"l3", &Target::l3},
                                        {"clock", &Target::clock},
                                        {"adds", &Target::adds},
                                        {"fmas", &Target::fmas},
                                        {"l1_rate", &Target::l1_rate},
                                        {"l2_rate", &Target::l2_rate},
                                        {"l3_rate", &Target::l3_rate},
                                        {"memory_rate", &Target::memory_rate},
                                        {"latency", &Target::latency},
                                        {"barrier", &Target::barrier}}};

/// The whole of a text as a number.
template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Reads one value; what was expected if it can't be read, else empty.
struct Reader {
  Target& target;
  std::string_view text;

  std::string_view operator()(int Target::*member) const {
    constexpr int most = 1024;
    const auto n = number<int>(text);
    if (!n || *n < 1 || *n > most) return "an integer in 1 .. 1024";
    target.*member = *n;
    return {};
  }
  std::string_view operator()(Isa Target::*member) const {
    const auto isa = isa_named(text);
    if (!isa) return "x86-64, avx2 or avx512";
    target.*member = *isa;
    return {};
  }
  std::string_view operator()(std::int64_t Target::*member) const {
    constexpr std::int64_t most = std::int64_t{1} << 40;
    const auto n = number<std::int64_t>(text);
    if (!n || *n < 0 || *n > most) return "an integer in 0 .. 1099511627776";
    target.*member = *n;
    return {};
  }
  std::string_view operator()(double Target::*member) const {
    constexpr double most = 1e12;
    const auto n = number<double>(text);
    if (!n || !(*n > 0) || *n > most) return "a number above 0";
    target.*member = *n;
    return {};
  }
};

/// Words of a text without its comments.
std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  std::vector<std::string_view> words;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line = line.substr(0, line.find('#'));
    for (std::size_t at = line.find_first_not_of(blanks); at != std::string_view::npos;) {
      const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
      words.push_back(line.substr(at, end - at));
      at = line.find_first_not_of(blanks, end);
    }
  }
  return words;
}

}  // namespace

double Target::rate(double bytes) const {
  if (bytes <= static_cast<double>(l1)) return l1_rate;
  if (bytes <= static_cast<double>(l2)) return l2_rate;
  return bytes <= static_cast<double>(l3) ? l3_rate : memory_rate;
}

std::string print(const Target& target) {
  std::string text;
  const auto add = [&](std::string_view key, const auto& value) {
    text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, value);
  };
  for (const Field& field : fields) {
    std::visit(
        [&](const auto member) {
          if constexpr (std::is_same_v<decltype(member), Isa Target::*const>) {
            add(field.key, name_of(target.*member));
          } else {
            add(field.key, target.*member);
          }
        },
        field.member);
  }
  return text;
}

Target parse_target(std::string_view text, std::string_view name, const Target& base) {
  Target target = base;
  std::set<std::string_view> seen;
  for (const std::string_view word : words_of(text)) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) fail("{}: expected KEY=VALUE, found '{}'", name, word);
    const std::string_view key = word.substr(0, equals), value = word.substr(equals + 1);
    const auto* field =
        std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.key == key; });
    if (field == fields.end()) {
      std::string keys;
      for (const Field& f : fields) keys += fmt::format("{}{}", keys.empty() ? "" : ", ", f.key);
      fail("{}: {}: expected one of the keys {}, found an unknown key", name, key, keys);
    }
    if (!seen.insert(key).second) fail("{}: {}: expected once, found twice", name, key);
    const std::string_view expected = std::visit(Reader{target, value}, field->member);
    if (!expected.empty()) fail("{}: {}: expected {}, found '{}'", name, key, expected, value);
  }
  return target;
}

}  // namespace relaxon
