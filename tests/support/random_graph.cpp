#include "tests/support/random_graph.hpp"

#include <fmt/format.h>

#include <functional>
#include <optional>

#include "ir/builder.hpp"
#include "ir/op_info.hpp"

namespace relaxon::testing {
namespace {

using Ids = std::vector<ValueId>;
using Wanted = std::function<bool(const Type&)>;

const Dim batch = batch_dim;

class Author {
 public:
  explicit Author(std::uint64_t seed)
      : state_(seed), builder_(fmt::format("random {}", seed), 4 + static_cast<int>(seed % 23)), scopes_(1) {}

  Graph write() {
    bind();
    statements(24);
    Ids results;
    std::vector<std::string> names;
    for (std::size_t i = below(5); i > 0; --i) {
      results.push_back(*pick([](const Type&) { return true; }));
      names.push_back(fmt::format("result/{}", i));
    }
    return builder_.finish(results, names);
  }

 private:
  std::size_t below(std::size_t bound) {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<std::size_t>((z ^ (z >> 31)) % bound);
  }
  bool chance() { return below(2) == 0; }
  template <class E>
  E one_of(std::size_t count) {
    return static_cast<E>(below(count));
  }
  const Type& type(ValueId id) const { return builder_.type(id); }

  /// Any visible value of a wanted type.
  std::optional<ValueId> pick(const Wanted& wanted) {
    Ids found;
    for (const Ids& scope : scopes_) {
      for (const ValueId id : scope) {
        if (wanted(type(id))) found.push_back(id);
      }
    }
    if (found.empty()) return std::nullopt;
    return found[below(found.size())];
  }
  ValueId get(const Wanted& wanted) { return pick(wanted).value(); }
  ValueId get(const Type& wanted) {
    return get([&](const Type& t) { return t == wanted; });
  }

  void keep(const Ids& ids) {
    for (const ValueId id : ids) {
      if (chance()) builder_.name(id, fmt::format("n{}", below(9)));
      scopes_.back().push_back(id);
    }
  }
  void add(OpKind kind, Ids operands, Attributes attributes = {}) {
    keep(builder_.append(kind, std::move(operands), std::move(attributes)));
  }

  void bind(Type t) {
    const std::string name = fmt::format("b/{}", scopes_[0].size());
    keep({chance() ? builder_.input(name, t) : builder_.param(name, t)});
  }

  /// One binding of each type that ops ask for, so that every op finds its operands.
  void bind() {
    for (const std::int64_t d : {3, 4}) {
      for (const Elem elem : {Elem::pm1, Elem::tern, Elem::two, Elem::u8, Elem::f32, Elem::fix}) {
        Type t = make_type(elem, {batch, d});
        if (elem == Elem::two) t.a = 1.08113885f, t.b = -0.5f;
        if (elem == Elem::u8) t.scale = 1.0f / 255.0f;
        bind(t);
      }
      bind(make_type(Elem::f32, {d}));
      bind(make_type(Elem::f32, {1, d}));
      for (const std::int64_t k : {3, 4}) bind_weights(d, k);
    }
    for (const Elem elem : {Elem::pm1, Elem::f32}) bind(make_type(elem, {batch, 4, 4, 2}));
    for (const Dims& kernel : {Dims{3, 3, 2, 2}, Dims{3, 3, 1, 2}, Dims{2, 2, 2, 3}})
      bind(make_type(Elem::f32, kernel));
    Type self = make_type(Elem::f32, {3, 3, 1, 2});
    self.entries.kind = Entries::Kind::offdiag;
    bind(self);
    for (const std::int64_t n : {2, 4, 9, 10}) bind(make_type(Elem::f32, {n}));
    bind(make_type(Elem::f32, {}));
    bind(make_type(Elem::f32, {Dim::symbolic('T'), 9}));
    for (const Dims& dims : {Dims{}, Dims{batch}, Dims{Dim::symbolic('M')}}) bind(make_type(Elem::i32, dims));
    bind(make_type(Elem::i64, {}));
    bind(make_type(Elem::f32, {batch}));
    bind(make_type(Elem::f32, {batch, 1}));
  }

  void bind_weights(std::int64_t d, std::int64_t k) {
    Type t = make_type(Elem::f32, {d, k});
    bind(t);
    t.entries.kind = Entries::Kind::sparse;
    t.entries.pattern = builder_.pattern({fmt::format("{}-{}", k, d), d, k, d == k && chance()});
    bind(t);
    if (d != k) return;
    t.entries = {Entries::Kind::offdiag, {}};
    bind(t);
  }

  void statements(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) statement();
  }

  void statement() {
    static constexpr auto writers = std::to_array<void (Author::*)()>(
        {&Author::constants, &Author::data, &Author::conversion, &Author::dense_message,
         &Author::image_message, &Author::majority, &Author::field, &Author::learning,
         &Author::image_learning, &Author::apply, &Author::advance, &Author::count, &Author::region,
         &Author::probe});
    (this->*writers[below(writers.size())])();
  }

  void constants() {
    if (chance())
      return add(OpKind::constant, {},
                 ConstantAttributes{Elem::i32, 0, static_cast<std::int32_t>(below(7)) - 3});
    if (chance())
      return add(OpKind::constant, {},
                 ConstantAttributes{Elem::f32, static_cast<float>(below(1000)) / 7.0f - 50.0f, 0});
    const Elem elem = std::array{Elem::tern, Elem::f32, Elem::fix, Elem::i64}[below(4)];
    add(OpKind::zeros, {}, TypeAttributes{make_type(elem, {batch, chance() ? 3 : 4})});
  }

  void data() {
    if (below(4) == 0)
      return add(OpKind::add, {get(make_type(Elem::i32, {})), get(make_type(Elem::i32, {}))});
    const auto index = [](const Type& t) { return t.elem == Elem::i32 && t.rank() <= 1; };
    if (chance())
      return add(OpKind::slice, {get(make_type(Elem::i32, {Dim::symbolic('M')})),
                                 get(make_type(Elem::i32, {})), get(make_type(Elem::i32, {}))});
    add(OpKind::take,
        {get([](const Type& t) { return t.rank() > 0 && t.entries.kind != Entries::Kind::sparse; }),
         get(index)});
  }

  static bool is_matrix(const Type& t) {
    return t.rank() == 2 && t.dims[0] == batch && (t.dims[1] == Dim(3) || t.dims[1] == Dim(4));
  }
  static bool is_sender(const Type& t) { return is_matrix(t) && (is_real(t) || t.elem == Elem::u8); }

  void conversion() {
    const ValueId real = get([](const Type& t) { return is_matrix(t) && is_real(t); });
    const ValueId scalar = get(make_type(Elem::f32, {}));
    switch (below(4)) {
      case 0: return add(OpKind::affine, {get(is_sender), scalar, get(make_type(Elem::f32, {}))});
      case 1: return add(OpKind::to_fix, {real});
      case 2:
        return add(OpKind::to_f32, {get([](const Type& t) {
                     return t.elem == Elem::fix || t.elem == Elem::i64 || t.elem == Elem::u8;
                   })});
      default: break;
    }
    const ValueId sender = get(is_sender);
    const Dim d = type(sender).dims[1];
    const Dims shape = std::array{Dims{batch}, Dims{batch, 1}, Dims{1, d}, Dims{batch, d}}[below(4)];
    add(OpKind::gate, {sender, get(make_type(Elem::f32, shape))});
  }

  std::optional<EdgeId> edge() {
    if (chance()) return std::nullopt;
    return EdgeId{static_cast<int>(below(12)) + 1, static_cast<int>(below(12))};
  }

  ValueId weight_of(Dim d) {
    return get([&](const Type& t) {
      return t.elem == Elem::f32 && t.rank() == 2 && t.dims[0] == d && t.dims[0].length > 1;
    });
  }

  void dense_message() {
    MessageAttributes a;
    a.edge = edge();
    const ValueId sender = get(is_sender);
    a.fixed = is_ternary(type(sender)) && chance();
    if (chance()) return add(OpKind::message, {sender, weight_of(type(sender).dims[1])}, a);
    a.map.kind = MapKind::diag;
    const Dims shape = chance() ? Dims{} : Dims{type(sender).dims[1]};
    add(OpKind::message, {sender, get(make_type(Elem::f32, shape))}, a);
  }

  MapAttributes convolution(const Type& kernel) {
    MapAttributes map;
    map.kind = kernel.dims[2] == Dim(2) && chance() ? MapKind::convt : MapKind::conv;
    if (map.kind == MapKind::conv) map.groups = 2 / kernel.dims[2].length;
    map.padding = one_of<Padding>(4);
    map.stride = {static_cast<std::int64_t>(1 + below(2)), static_cast<std::int64_t>(1 + below(2))};
    return map;
  }
  ValueId image() {
    return get([](const Type& t) { return is_real(t) && t.dims == Dims{batch, 4, 4, 2}; });
  }
  ValueId kernel() {
    return get([](const Type& t) {
      return t.elem == Elem::f32 && t.rank() == 4 && !t.dims[0].is_symbolic() && t.dims[2].length <= 2;
    });
  }

  void image_message() {
    const ValueId x = image();
    MessageAttributes a;
    a.edge = edge();
    a.fixed = is_ternary(type(x)) && chance();
    const std::size_t kind = below(4);
    ValueId w = get(make_type(Elem::f32, {}));
    if (kind == 0) {
      a.map.kind = MapKind::repeat;
      a.map.kernel = {2, 3};
      if (chance()) a.map.crop = {1, 2};
    } else if (kind == 1) {
      a.map.kind = MapKind::broadcast;
      a.map.axes = {3};
      a.map.shape = {4, 4, 5, 2};
    } else {
      w = kernel();
      a.map = convolution(type(w));
    }
    add(OpKind::message, {x, w}, a);
  }

  void majority() {
    WindowAttributes a;
    if (chance()) {
      a.axes = chance() ? std::vector<std::int64_t>{1, 2} : std::vector<std::int64_t>{3};
    } else {
      a.kernel = {1 + static_cast<std::int64_t>(below(3)), 2};
      a.stride = {1 + static_cast<std::int64_t>(below(2)), 1};
      a.padding = one_of<Padding>(4);
    }
    add(OpKind::majority, {image()}, a);
  }

  static bool is_field(const Type& t) { return is_matrix(t) && (t.elem == Elem::fix || t.elem == Elem::f32); }

  void field() {
    const ValueId first = get(is_field);
    if (chance()) {
      Ids messages{first};
      for (std::size_t more = below(3); more > 0; --more) messages.push_back(get(type(first)));
      return add(OpKind::aggregate, messages);
    }
    const Activation activation = one_of<Activation>(4);
    const ValueId h = activation == Activation::tanh
                          ? get([](const Type& t) { return is_matrix(t) && t.elem == Elem::f32; })
                          : first;
    add(OpKind::threshold, {h}, ThresholdAttributes{activation});
  }

  void learning() {
    const ValueId h = get(is_field);
    const Dim k = type(h).dims[1];
    const ValueId t = get([&](const Type& x) { return is_real(x) && x.dims == type(h).dims; });
    const Rule rule = one_of<Rule>(5);
    Ids operands{t, h};
    for (int i = 0; i < margins_of(rule); ++i)
      operands.push_back(get(make_type(Elem::f32, chance() ? Dims{} : Dims{k})));
    if (chance()) return add(OpKind::error, operands, ErrorAttributes{rule});
    const ValueId u = get(is_sender);
    const Type& w = type(weight_with(type(u).dims[1], k));
    const CorrelateAttributes correlate{{}, w.dims, w.entries, edge()};
    if (chance()) return add(OpKind::correlate, {u, t}, correlate);
    operands.insert(operands.begin(), u);
    add(OpKind::update, operands, UpdateAttributes{rule, correlate});
  }

  ValueId weight_with(Dim d, Dim k) {
    return get([&](const Type& t) { return t.elem == Elem::f32 && t.dims == Dims{d, k}; });
  }

  void image_learning() {
    const Type w = type(kernel());
    CorrelateAttributes a{convolution(w), w.dims, w.entries, edge()};
    a.map.kind = MapKind::conv;
    a.map.groups = 2 / w.dims[2].length;
    const ValueId x = image();
    const ValueId v = builder_.one(OpKind::message, {x, get(w)}, MessageAttributes{a.map, {}, false});
    keep({v});
    add(OpKind::correlate, {x, v}, a);
  }

  void apply() {
    const ApplyRule rule = one_of<ApplyRule>(5);
    const ValueId w = get([](const Type& t) {
      return t.elem == Elem::f32 && t.rank() == 2 && !t.dims[0].is_symbolic() && t.dims[0].length >= 3;
    });
    Ids operands{w};
    for (int i = 0; i < moments_of(rule); ++i) operands.push_back(get(type(w)));
    operands.push_back(get([&](const Type& t) {
      return (t.elem == Elem::f32 || t.elem == Elem::i64) && with_elem(t, Elem::f32) == type(w);
    }));
    if (chance()) keep({builder_.one(OpKind::subtract, {operands.back(), operands.back()})});
    operands.push_back(scalars(scalars_of(rule)));
    add(OpKind::apply, operands, ApplyAttributes{rule, edge()});
  }

  ValueId scalars(std::int64_t n) {
    if (n == 9 && chance()) {
      keep({builder_.one(OpKind::take, {get(make_type(Elem::f32, {Dim::symbolic('T'), 9})),
                                        get(make_type(Elem::i32, {}))})});
      return scopes_.back().back();
    }
    return get(make_type(Elem::f32, {n}));
  }

  void advance() {
    const ValueId from = get([](const Type& t) { return is_matrix(t) && is_ternary(t); });
    const ValueId to = get([&](const Type& t) { return is_ternary(t) && t.dims == type(from).dims; });
    const ValueId w = weight_of(type(from).dims[1]);
    MessageAttributes a{{}, edge(), true};
    const ValueId h = builder_.one(OpKind::message, {from, w}, a);
    keep({h});
    add(OpKind::advance, {h, from, to, w}, a);
  }

  void count() {
    const ValueId scores = get([](const Type& t) { return is_matrix(t) && t.elem == Elem::f32; });
    add(OpKind::hits, {get(make_type(Elem::i64, {})), scores, get(make_type(Elem::i32, {batch}))});
  }

  void probe() {
    builder_.append(OpKind::probe, {get(is_matrix)}, NamesAttributes{{fmt::format("probe {}", below(5))}});
  }

  void region() {
    if (scopes_.size() > 3) return;
    const OpKind kind = std::array{OpKind::scan, OpKind::loop, OpKind::fuse}[below(3)];
    Ids operands;
    Attributes attributes;
    if (kind != OpKind::fuse) {
      operands.push_back(get(make_type(Elem::i32, {})));
      for (std::size_t n = below(4); n > 0; --n) operands.push_back(get([](const Type&) { return true; }));
    }
    if (kind == OpKind::scan) {
      ScanAttributes scan;
      for (std::size_t c = 1; c < operands.size(); ++c) {
        if (below(3) == 0) scan.until_unchanged.push_back(static_cast<std::int32_t>(c) - 1);
      }
      attributes = scan;
    }
    const Ids arguments = builder_.begin(kind, operands, attributes);
    scopes_.emplace_back();
    keep(arguments);
    statements(6);
    Ids yielded;
    if (kind == OpKind::fuse) {
      for (std::size_t n = below(3); n > 0; --n) yielded.push_back(get([](const Type&) { return true; }));
    }
    for (std::size_t c = 1; c < operands.size(); ++c) yielded.push_back(within(type(operands[c])));
    scopes_.pop_back();
    keep(builder_.end(yielded));
  }

  /// A value that a carry of `outer` may become.
  ValueId within(const Type& outer) {
    return get([&](const Type& t) {
      if (t == outer) return true;
      if (t.dims != outer.dims || t.entries != outer.entries) return false;
      return outer.elem == Elem::tern ? t.elem == Elem::pm1 : outer.elem == Elem::f32 && is_real(t);
    });
  }

  std::uint64_t state_;
  GraphBuilder builder_;
  std::vector<Ids> scopes_;
};

}  // namespace

Graph random_graph(std::uint64_t seed) { return Author(seed).write(); }

}  // namespace relaxon::testing
