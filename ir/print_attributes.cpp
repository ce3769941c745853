#include "ir/print_attributes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace relaxon {
namespace {

using Pair = std::array<std::int64_t, 2>;

std::string pair_text(Pair p) { return fmt::format("{}x{}", p[0], p[1]); }

/// Words between the braces after an op.
class Words {
 public:
  void add(std::string_view word) { text_ += fmt::format("{}{}", text_.empty() ? "" : " ", word); }
  void pair(std::string_view name, Pair value, Pair fallback) {
    if (value != fallback) add(fmt::format("{}={}", name, pair_text(value)));
  }
  void list(std::string_view name, const std::vector<std::int64_t>& values) {
    if (!values.empty()) add(fmt::format("{}={}", name, fmt::join(values, ",")));
  }
  void padding(Padding padding) {
    if (padding != Padding::none) add(fmt::format("padding={}", name_in(padding_names, padding)));
  }
  void edge(const std::optional<EdgeId>& edge) {
    if (edge) add(fmt::format("edge={}", to_string(*edge)));
  }
  void map(const MapAttributes& m) {
    add(name_in(map_names, m.kind));
    pair("kernel", m.kernel, {0, 0});
    pair("stride", m.stride, {1, 1});
    if (m.groups != 1) add(fmt::format("groups={}", m.groups));
    padding(m.padding);
    pair("crop", m.crop, {0, 0});
    list("axes", m.axes);
    list("shape", m.shape);
  }
  std::string braces() const { return text_.empty() ? "" : fmt::format("{{{}}}", text_); }

 private:
  std::string text_;
};

struct AttributeText {
  Words words;

  void operator()(std::monostate) {}
  void operator()(const BindingAttributes&) {}
  void operator()(const TypeAttributes&) {}
  void operator()(const ConstantAttributes&) {}
  void operator()(const ScanAttributes&) {}
  void operator()(const NamesAttributes&) {}
  void operator()(const MessageAttributes& a) {
    words.map(a.map);
    words.edge(a.edge);
    if (a.fixed) words.add("fixed");
  }
  void operator()(const WindowAttributes& a) {
    words.pair("kernel", a.kernel, {1, 1});
    words.pair("stride", a.stride, {1, 1});
    words.padding(a.padding);
    words.list("axes", a.axes);
  }
  void operator()(const ThresholdAttributes& a) { words.add(name_in(activation_names, a.activation)); }
  void operator()(const ErrorAttributes& a) { words.add(name_in(rule_names, a.rule)); }
  void operator()(const CorrelateAttributes& a) {
    words.map(a.map);
    words.edge(a.edge);
  }
  void operator()(const UpdateAttributes& a) {
    words.add(name_in(rule_names, a.rule));
    (*this)(a.correlate);
  }
  void operator()(const ApplyAttributes& a) {
    words.add(name_in(apply_names, a.rule));
    words.edge(a.edge);
  }
};

}  // namespace

std::string print_attributes(const Attributes& attributes) {
  AttributeText text;
  std::visit(text, attributes);
  return text.words.braces();
}

}  // namespace relaxon
