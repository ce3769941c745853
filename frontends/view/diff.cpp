#include "frontends/view/diff.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

namespace relaxon {
namespace {

constexpr std::size_t context_lines = 2;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }

/// A line without the numbers that make names unique: ".2" at the end of a name.
std::string key_of(std::string_view line) {
  std::string key;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '%') {
      key += line[i];
      continue;
    }
    const std::size_t end = std::min(line.find_first_of(" ,()", i), line.size());
    std::string_view name = line.substr(i, end - i);
    const std::size_t dot = name.rfind('.');
    if (dot != name.npos && dot + 1 < name.size() &&
        std::all_of(name.begin() + static_cast<std::ptrdiff_t>(dot) + 1, name.end(), is_digit)) {
      name = name.substr(0, dot);
    }
    key += name;
    i = end - 1;
  }
  return key;
}

struct Line {
  char mark;  // ' ', '-' or '+'
  std::string_view text;
};

/// Both texts as one list of lines, with as many common ones as possible.
std::vector<Line> merged(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  std::vector<std::string> keys_a, keys_b;
  for (const auto line : a) keys_a.push_back(key_of(line));
  for (const auto line : b) keys_b.push_back(key_of(line));
  const std::size_t width = b.size() + 1;
  std::vector<std::uint32_t> common((a.size() + 1) * width);  // of a from i and b from j on
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      common[i * width + j] = keys_a[i] == keys_b[j]
                                  ? common[(i + 1) * width + j + 1] + 1
                                  : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  std::vector<Line> lines;
  std::size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && keys_a[i] == keys_b[j]) {
      lines.push_back({' ', b[j]});
      ++i, ++j;
    } else if (j == b.size() || (i < a.size() && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      lines.push_back({'-', a[i++]});
    } else {
      lines.push_back({'+', b[j++]});
    }
  }
  return lines;
}

}  // namespace

std::string difference(std::string_view before, std::string_view after) {
  const std::vector<Line> lines = merged(lines_of(before), lines_of(after));
  std::vector<bool> shown(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].mark == ' ') continue;
    const std::size_t first = i - std::min(i, context_lines);
    const std::size_t last = std::min(i + context_lines, lines.size() - 1);
    std::fill(shown.begin() + static_cast<std::ptrdiff_t>(first),
              shown.begin() + static_cast<std::ptrdiff_t>(last) + 1, true);
  }
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!shown[i]) {
      if (i > 0 && shown[i - 1]) text += "  ...\n";
      continue;
    }
    text += lines[i].mark;
    text += ' ';
    text += lines[i].text;
    text += '\n';
  }
  return text;
}

}  // namespace relaxon
