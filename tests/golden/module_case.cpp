// Kind "module": one module's initial weight, message, activation and update.
//
// Everything but the initialisation runs as small graphs, so that the ops are tested on numbers of their own
// and not only inside a network.
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "core/init.hpp"
#include "core/step_scalars.hpp"
#include "ir/builder.hpp"
#include "tests/golden/case.hpp"
#include "tests/golden/readers.hpp"
#include "tests/golden/weights.hpp"

namespace relaxon::golden {
namespace {

/// Values by the names that a graph binds them to.
using Bindings = std::map<std::string, Tensor>;

/// Compiles and runs a graph; the results by name.
std::map<std::string, TensorPtr> evaluate(Graph graph, Backend backend, const Bindings& bindings,
                                          const PatternPtr& pattern) {
  const std::unique_ptr<Program> program = compile(std::move(graph), backend);
  Arguments arguments;
  for (std::size_t i = 0; i < program->graph().bindings().size(); ++i) {
    const std::string& name = program->graph().binding(i).name;
    arguments.bindings.push_back(std::make_shared<const Tensor>(bindings.at(name)));
  }
  arguments.patterns.assign(program->graph().patterns().size(), pattern);
  const std::vector<TensorPtr> values = program->run(arguments);
  std::map<std::string, TensorPtr> results;
  for (std::size_t i = 0; i < values.size(); ++i) results[program->graph().result_names()[i]] = values[i];
  return results;
}

class ModuleCase {
 public:
  ModuleCase(const Case& golden, Backend backend)
      : json_(golden.json()),
        tensors_(golden.tensors),
        backend_(backend),
        module_(read_module(json_.at("module"), json_.at("args"))),
        fixed_bits_(static_cast<int>(json_.at("F").integer(4, 26))),
        layout_(read_layout(json_.at("rng_layout"))),
        x_(tensors_.at("x", DType::f32, {-1, -1})),
        target_(tensors_.at("target", DType::f32, {-1, -1})),
        field_(tensors_.at("field", DType::f32, target_.shape())) {
    validate(module_, senders(), receivers(), "module");
  }

  void run() {
    if (has_weight(module_)) check_initialisation();
    check_message();
    if (is_layer(module_)) check_activation();
    if (is_trainable(module_) != json_.at("trainable").boolean()) {
      fail("trainable: expected {}, got {}", !is_trainable(module_), is_trainable(module_));
    }
    if (!is_trainable(module_)) return;
    check_update(field_, "f32");
    // A real target's product with the field is rounded, so only the given float field is on the margin.
    if (ternary_target()) check_update(field_, "fix");
  }

 private:
  std::int64_t batch() const { return x_.shape()[0]; }
  std::int64_t senders() const { return x_.shape()[1]; }
  std::int64_t receivers() const { return target_.shape()[1]; }
  bool ternary_target() const {
    const std::string kind = json_.at("target").text();
    return kind == "pm1" || kind == "ternary";
  }

  std::string weight_name() const {
    for (const char* name : {"init/W", "init/J", "init/kernel"}) {
      if (tensors_.find(name)) return name;
    }
    fail("tensor init/W, init/J or init/kernel: missing");
  }

  /// The drawn weight against the expected one; the rest of the case uses the expected one.
  void check_initialisation() {
    const Key root = key_of(json_.at("seed").seed());
    const Key key = walk(root, read_key_path(json_.at("key_path")), layout_);
    const std::string name = weight_name();
    const Tensor& expected = tensors_.at(name, DType::f32, {senders(), receivers()});
    Weight drawn = initialise(module_, senders(), receivers(), key, layout_, "module");
    compare(name, expected, to_dense(drawn), {.ulps = 4});
    if (drawn.is_sparse()) compare("init/mask", tensors_.at("init/mask"), mask_of(*drawn.pattern), exactly);
    if (json_.flag("exact_init")) {
      const Tensor& normals = tensors_.at("init/normals", DType::f32, {senders(), receivers()});
      const Weight exact = initialise_from_normals(module_, senders(), receivers(), normals.data<float>(),
                                                   key, layout_, "module");
      compare(name + " from normals", expected, to_dense(exact), exactly);
    }
    weight_ = from_dense(expected, drawn.pattern);
  }

  Type sender_type() const {
    return make_type(json_.flag("x_pm1") ? Elem::tern : Elem::f32, {batch_dim, senders()});
  }
  Tensor sender() const { return json_.flag("x_pm1") ? as_i8("x", x_) : x_; }

  Type weight_type(GraphBuilder& builder) const {
    Type type = make_type(Elem::f32, {senders(), receivers()});
    if (weight_.is_sparse()) {
      type.entries = {Entries::Kind::sparse,
                      builder.pattern({"weight", senders(), receivers(), is_recurrent(module_)})};
    } else if (is_recurrent(module_)) {
      type.entries.kind = Entries::Kind::offdiag;
    }
    return type;
  }

  /// (a x + b) of FrozenRescaled; x itself for the others.
  ValueId rescaled(GraphBuilder& builder, ValueId x) const {
    if (!std::holds_alternative<FrozenRescaledFullyConnected>(module_)) return x;
    const double r = std::sqrt(static_cast<double>(senders() - 1));
    const ValueId a = builder.constant(static_cast<float>((r / 2 + 1 / r) / 2));
    const ValueId b = builder.constant(static_cast<float>((r / 2 - 1 / r) / 2));
    return builder.one(OpKind::affine, {x, a, b});
  }

  /// The message as section 10 has it, and as a plain float32 sum.
  void check_message() {
    GraphBuilder builder("message", fixed_bits_);
    const ValueId x = rescaled(builder, builder.input("x", sender_type()));
    ValueId exact, real;
    if (has_weight(module_)) {
      const ValueId weight = builder.param("weight", weight_type(builder));
      const bool ternary = is_ternary(builder.type(x));
      real = builder.one(OpKind::message, {x, weight}, MessageAttributes{});
      exact = ternary ? builder.one(OpKind::message, {x, weight},
                                    MessageAttributes{.map = {}, .edge = {}, .fixed = true})
                      : builder.one(OpKind::to_fix, {real});
    } else {
      exact = builder.zeros(make_type(Elem::fix, {batch_dim, receivers()}));
      real = builder.zeros(make_type(Elem::f32, {batch_dim, receivers()}));
    }
    const ValueId reported = builder.one(OpKind::to_f32, {exact});
    const auto got = evaluate(builder.finish({exact, reported, real}, {"exact", "reported", "real"}),
                              backend_, {{"x", sender()}, {"weight", weight_.values}}, weight_.pattern);
    compare("message_i32", tensors_.at("message_i32"), *got.at("exact"), exactly);
    compare("message", tensors_.at("message"), *got.at("reported"), close_fixed_fields);
    compare("message", tensors_.at("message"), *got.at("real"), close_floats);
  }

  void check_activation() {
    const Tensor& expected = tensors_.at("activation");
    const Activation activation = is_output(module_) ? Activation::identity : Activation::sign;
    GraphBuilder builder("activation", fixed_bits_);
    const ValueId h = builder.input("field", make_type(Elem::f32, {batch_dim, receivers()}));
    const ValueId fixed = builder.one(OpKind::to_fix, {h});
    const ThresholdAttributes attributes{activation};
    ValueId exact = builder.one(OpKind::threshold, {fixed}, attributes);
    if (is_output(module_)) exact = builder.one(OpKind::to_f32, {exact});
    const ValueId real = builder.one(OpKind::threshold, {h}, attributes);
    const auto got =
        evaluate(builder.finish({exact, real}, {"exact", "real"}), backend_, {{"field", field_}}, nullptr);
    compare("activation", expected, *got.at("exact"), is_output(module_) ? close_fixed_fields : exactly);
    compare("activation", expected, *got.at("real"), exactly);
  }

  /// The type of a tensor gate by its rank and shape; nullopt without one and for a scalar.
  std::optional<Type> gate_type() const {
    const Tensor* gate = tensors_.find("gate");
    if (!gate || gate->shape().empty()) return std::nullopt;
    const Shape& shape = gate->shape();
    if (shape.size() == 1) return make_type(Elem::f32, {batch_dim});
    if (shape[1] == 1) return make_type(Elem::f32, {batch_dim, 1});
    if (shape[0] == 1) return make_type(Elem::f32, {1, senders()});
    return make_type(Elem::f32, {batch_dim, senders()});
  }

  /// Two updates, of all entries (G) and of the module's own (D). The latter goes through a momentum step
  /// without momentum, whose new moment is D itself.
  Graph update_graph(bool fixed_field) const {
    GraphBuilder builder("update", fixed_bits_);
    const Type field_type = make_type(Elem::f32, {batch_dim, receivers()});
    ValueId u = builder.input("x", sender_type());
    const ValueId t =
        builder.input("target", ternary_target() ? with_elem(field_type, Elem::tern) : field_type);
    ValueId h = builder.input("field", field_type);
    const ValueId margin = builder.input("margin", make_type(Elem::f32, {receivers()}));
    const ValueId scalars = builder.input("scalars", make_type(Elem::f32, {scalars_of(ApplyRule::momentum)}));
    if (const auto gate = gate_type()) u = builder.one(OpKind::gate, {u, builder.input("gate", *gate)});
    if (fixed_field) h = builder.one(OpKind::to_fix, {h});
    const Type own = weight_type(builder);
    const ValueId weight = builder.param("weight", own);
    const ValueId moment = builder.param("moment", own);
    const auto update = [&](const Entries& entries) {
      return builder.one(
          OpKind::update, {u, t, h, margin},
          UpdateAttributes{Rule::perceptron, {MapAttributes{}, own.dims, entries, std::nullopt}});
    };
    ValueId all = update({});
    if (builder.type(all).elem == Elem::i64) all = builder.one(OpKind::to_f32, {all});
    const std::vector<ValueId> applied =
        builder.append(OpKind::apply, {weight, moment, update(own.entries), scalars},
                       ApplyAttributes{ApplyRule::momentum, {}});
    return builder.finish({all, applied[1], applied[0]}, {"S", "D", "W"});
  }

  void check_update(const Tensor& field, std::string_view field_kind) {
    const Tensor* gate = tensors_.find("gate");
    UpdateSetting setting{batch(), senders(), 1.0f, 1.0f};
    if (gate && gate->shape().empty()) setting.gate = tensors_.at("gate", DType::f32, {}).data<float>()[0];
    const StepScalars c = step_scalars(module_, Optimizer::sgd(1.0), {}, setting);
    Tensor margin(DType::f32, {receivers()});
    for (std::size_t k = 0; k < margin.data<float>().size(); ++k) {
      margin.data<float>()[k] = threshold_of(module_)->at(k);
    }
    Bindings bindings{{"x", sender()},
                      {"target", ternary_target() ? as_i8("target", target_) : target_},
                      {"field", field},
                      {"margin", margin},
                      {"scalars", Tensor::of<float>({4}, std::vector<float>{c.beta, c.delta, 0, 1})},
                      {"weight", weight_.values},
                      {"moment", Tensor(DType::f32, weight_.values.shape())}};
    if (gate) bindings["gate"] = *gate;
    const auto got = evaluate(update_graph(field_kind == "fix"), backend_, bindings, weight_.pattern);

    Tensor gradient = *got.at("S");
    const double kappa = kappa_of(setting);
    for (float& g : gradient.data<float>()) g = static_cast<float>(-kappa * g);
    compare(fmt::format("G ({} field)", field_kind), tensors_.at("G"), gradient, close_weights);
    const Tensor update = dense(*got.at("D"));
    compare(fmt::format("D ({} field)", field_kind), tensors_.at("D"), update, close_weights);
    Tensor moved = dense(weight_.values);
    for (std::size_t i = 0; i < moved.data<float>().size(); ++i)
      moved.data<float>()[i] -= update.data<float>()[i];
    compare(fmt::format("W - D ({} field)", field_kind), moved, dense(*got.at("W")), close_weights);
  }

  Tensor dense(const Tensor& values) const { return to_dense({values, weight_.pattern}); }

  JsonValue json_;
  const Tensors& tensors_;
  Backend backend_;
  Module module_;
  int fixed_bits_;
  RngLayout layout_;
  const Tensor& x_;       // (B, d)
  const Tensor& target_;  // (B, K)
  const Tensor& field_;   // (B, K)
  Weight weight_;         // the expected initial one
};

}  // namespace

void run_module_case(const Case& golden, Backend backend) { ModuleCase(golden, backend).run(); }

}  // namespace relaxon::golden
