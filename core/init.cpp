#include "core/init.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/math.hpp"

namespace relaxon {
namespace {

constexpr std::int64_t max_entries = std::numeric_limits<std::int32_t>::max();

struct Size {
  std::int64_t d, K;
  std::int64_t connections() const { return d * K; }
};

/// Checked before anything is drawn or allocated; sparse weights by the number of entries to expect.
void check_size(Size size, double density, RngLayout layout, std::string_view where) {
  const double possible = static_cast<double>(size.d) * static_cast<double>(size.K);
  const double expected = possible * density;
  if (std::max(size.d, size.K) > max_entries || possible >= 0x1p63 ||
      expected > static_cast<double>(max_entries)) {
    fail("{}: about {:.4g} connections between {} and {} units; a weight takes at most 2^31 - 1 of each",
         where, expected, size.d, size.K);
  }
  check_draw(size.connections(), layout, where);
}

/// Draws a pattern connection by connection, in pieces of a fixed size.
class PatternDraw {
 public:
  PatternDraw(Size size, Key key, double density, bool fixed_diagonal, RngLayout layout,
              std::string_view where)
      : size_(size), key_(key), bound_(bernoulli_bound(density)), layout_(layout), where_(where) {
    pattern_.senders = size.d;
    pattern_.receivers = size.K;
    pattern_.fixed_diagonal = fixed_diagonal;
    pattern_.offsets.reserve(static_cast<std::size_t>(size.d) + 1);
    // Eight deviations of slack: practically never too short, so that the entries are stored once.
    const double mean = static_cast<double>(size.connections()) * density;
    const double diagonal = fixed_diagonal ? static_cast<double>(size.d) : 0.0;
    const double expected = mean + 8 * std::sqrt(mean) + diagonal;
    pattern_.receiver.reserve(static_cast<std::size_t>(std::min(expected, static_cast<double>(max_entries))));
  }

  PatternPtr run() && {
    pattern_.offsets.push_back(0);
    for (std::int64_t sender = 0; sender < size_.d; ++sender) {
      if (pattern_.fixed_diagonal) {
        connect(sender, 0, sender);
        append(std::array{static_cast<std::int32_t>(sender)});
        connect(sender, sender + 1, size_.K);
      } else {
        connect(sender, 0, size_.K);
      }
      pattern_.offsets.push_back(static_cast<std::int32_t>(pattern_.entries()));
    }
    return std::make_shared<const Pattern>(std::move(pattern_));
  }

 private:
  /// Appends the connected receivers among begin .. end of one sender.
  void connect(std::int64_t sender, std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t element = sender * size_.K + begin;
      const auto words = words_from(element, end - begin);
      std::size_t found = 0;
      for (std::size_t i = 0; i < words.size(); ++i) {
        found_[found] = static_cast<std::int32_t>(begin + static_cast<std::int64_t>(i));
        found += (words[i] >> 9) < bound_;
      }
      append(std::span<const std::int32_t>(found_).first(found));
      begin += static_cast<std::int64_t>(words.size());
    }
  }

  /// Up to n words of the mask's draw from `element` on, at least one.
  std::span<const std::uint32_t> words_from(std::int64_t element, std::int64_t n) {
    if (element >= window_begin_ + window_size_) {
      window_begin_ = element;
      window_size_ = std::min<std::int64_t>(window, size_.connections() - element);
      fill_bits(key_, size_.connections(), element,
                std::span(words_).first(static_cast<std::size_t>(window_size_)), layout_);
    }
    const std::int64_t from = element - window_begin_;
    const std::int64_t available = std::min(n, window_size_ - from);
    return std::span<const std::uint32_t>(words_).subspan(static_cast<std::size_t>(from),
                                                          static_cast<std::size_t>(available));
  }

  void append(std::span<const std::int32_t> receivers) {
    if (pattern_.entries() + static_cast<std::int64_t>(receivers.size()) > max_entries) {
      fail("{}: more than 2^31 - 1 connections", where_);
    }
    pattern_.receiver.insert(pattern_.receiver.end(), receivers.begin(), receivers.end());
  }

  static constexpr std::size_t window = 4096;

  Size size_;
  Key key_;
  std::uint32_t bound_;
  RngLayout layout_;
  std::string_view where_;
  Pattern pattern_;
  std::int64_t window_begin_ = 0, window_size_ = 0;
  std::array<std::uint32_t, window> words_;
  std::array<std::int32_t, window> found_;
};

/// The places of a pattern's entries in a draw over all connections, a bounded number at a time:
/// visit(places, first entry).
template <class Visit>
void for_each_piece(const Pattern& pattern, Visit visit) {
  constexpr std::size_t piece = 4096;
  std::array<std::int64_t, piece> places;
  std::size_t pending = 0, first = 0;
  const auto flush = [&] {
    visit(std::span<const std::int64_t>(places).first(pending), first);
    first += pending;
    pending = 0;
  };
  for (std::int64_t sender = 0; sender < pattern.senders; ++sender) {
    for (const std::int32_t receiver : pattern.receivers_of(sender)) {
      places[pending++] = sender * pattern.receivers + receiver;
      if (pending == piece) flush();
    }
  }
  flush();
}

/// The two orders of the contract: input weights are N * strength / root, couplings N / root * strength.
enum class ScaleOrder : std::uint8_t { strength_first, root_first };

/// How a module turns normals into weights, and where its arguments are.
struct Recipe {
  ScaleOrder order;
  PerOutput strength;
  const PerOutput* j_d;  // null without a diagonal
};

Recipe recipe_of(const Module& module) {
  return std::visit(
      []<class M>(const M& m) -> Recipe {
        if constexpr (requires { m.j_d; }) {
          return {ScaleOrder::root_first, PerOutput(m.strength), &m.j_d};
        } else if constexpr (requires { m.strength; }) {
          return {ScaleOrder::strength_first, m.strength, nullptr};
        } else {
          internal_error("{} has no weight", ModuleInfo<M>::name);
        }
      },
      module);
}

float scaled(float normal, float strength, float root, ScaleOrder order) {
  return order == ScaleOrder::strength_first ? normal * strength / root : normal / root * strength;
}

std::vector<float> per_receiver(const PerOutput& argument, std::int64_t K) {
  std::vector<float> values(static_cast<std::size_t>(K));
  for (std::size_t k = 0; k < values.size(); ++k) values[k] = argument.at(k);
  return values;
}

/// Normals to weights in place; then the diagonal.
void scale(Weight& weight, const Recipe& recipe, double density) {
  const Size size{weight.senders(), weight.receivers()};
  const float root = std::sqrt(static_cast<float>(static_cast<double>(size.d) * density));
  const std::vector<float> strength = per_receiver(recipe.strength, size.K);
  const std::vector<float> diagonal = recipe.j_d ? per_receiver(*recipe.j_d, size.K) : std::vector<float>();
  float* value = weight.values.data<float>().data();
  for (std::int64_t sender = 0; sender < size.d; ++sender) {
    const auto set = [&](std::size_t receiver) {
      const bool fixed = recipe.j_d && receiver == static_cast<std::size_t>(sender);
      *value = fixed ? diagonal[receiver] : scaled(*value, strength[receiver], root, recipe.order);
      ++value;
    };
    if (weight.is_sparse()) {
      for (const std::int32_t receiver : weight.pattern->receivers_of(sender))
        set(static_cast<std::size_t>(receiver));
    } else {
      for (std::size_t receiver = 0; receiver < strength.size(); ++receiver) set(receiver);
    }
  }
}

/// `normals_of_draw(key, weight)` writes the normals at the weight's connections into its values.
template <class NormalsOfDraw>
Weight build(const Module& module, Size size, Key key, RngLayout layout, std::string_view where,
             NormalsOfDraw normals_of_draw) {
  const FlushToZero flush;
  const Recipe recipe = recipe_of(module);
  const double density = 1.0 - sparsity_of(module);
  check_size(size, density, layout, where);
  Weight weight;
  Key values_key = key;
  if (is_sparse(module)) {
    values_key = child(key, 2, 0, layout);
    const Key mask_key = child(key, 2, 1, layout);
    weight.pattern = PatternDraw(size, mask_key, density, recipe.j_d != nullptr, layout, where).run();
    weight.values = Tensor(DType::f32, {weight.pattern->entries()});
  } else {
    weight.values = Tensor(DType::f32, {size.d, size.K});
  }
  normals_of_draw(values_key, weight);
  scale(weight, recipe, density);
  return weight;
}

}  // namespace

Weight initialise(const Module& module, std::int64_t d, std::int64_t K, Key key, RngLayout layout,
                  std::string_view where) {
  return build(module, {d, K}, key, layout, where, [&](Key values_key, Weight& weight) {
    const std::int64_t total = d * K;
    const auto values = weight.values.data<float>();
    if (!weight.is_sparse()) return fill_normal(values_key, total, 0, values, layout);
    for_each_piece(*weight.pattern, [&](std::span<const std::int64_t> places, std::size_t first) {
      gather_normal(values_key, total, places, values.subspan(first, places.size()), layout);
    });
  });
}

Weight initialise_from_normals(const Module& module, std::int64_t d, std::int64_t K,
                               std::span<const float> normals, Key key, RngLayout layout,
                               std::string_view where) {
  if (static_cast<double>(normals.size()) != static_cast<double>(d) * static_cast<double>(K)) {
    fail("{}: {} normals for {} x {} connections", where, normals.size(), d, K);
  }
  return build(module, {d, K}, key, layout, where, [&](Key, Weight& weight) {
    const auto values = weight.values.data<float>();
    if (!weight.is_sparse()) {
      std::copy(normals.begin(), normals.end(), values.begin());
      return;
    }
    for_each_piece(*weight.pattern, [&](std::span<const std::int64_t> places, std::size_t first) {
      for (std::size_t i = 0; i < places.size(); ++i) {
        values[first + i] = normals[static_cast<std::size_t>(places[i])];
      }
    });
  });
}

}  // namespace relaxon
