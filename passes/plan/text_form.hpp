// The text form of plans: what the printer and the parser both have to know.
//
//     plan "train" fixed 20
//     pattern @1-1 [2000,2000] fixed_diagonal
//     slot %x "inputs" : u8{0.003921569}[B,784] bytes live 0 to 12
//     binding "inputs" %x
//     %r = advance(%r, %s, %n, %q) {dense edge=1-1 fixed} covers "%r2" why "only senders that changed are
//     added" %s, %r = scan %n (%s = %s1, %r = %r1) until unchanged(%s) covers "%s2 %r2" {
//       ...
//       yield %t, %r
//     }
//     result "state/1" %s
//
//     plan    = "plan" string "fixed" integer ["threads" integer] {pattern} {slot} {binding} {step} {result}
//     ; slot    = "slot" value [string] ":" type storage "live" integer "to" integer ; binding = "binding"
//     string value ;   result = "result" string value ; step    = [values "="] (plain | "scan" value carries
//     [until] | "loop" value "," value carries) ; plain   = kernel [op] "(" [values] ")" attributes ["after"
//     op attributes] notes ; carries = "(" [value "=" value {"," value "=" value}] ")" ; until   = "until"
//     "unchanged" "(" values ")" ;                     then notes and a body: body    = "{" {step} "yield"
//     [values] "}" ; notes   = ["threads" sharing] ["whole" "from" integer] ["covers" string] ["why" string]
//     ;
//
// Names of slots are unique in the text; a slot's own name follows in quotes where it is another one. An op
// is written where it isn't the kernel's usual one. Attributes are those of ir/SEMANTICS.md; correlations say
// the weight's type after them. The rest (tokens, types, patterns) is as in graphs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "passes/plan/plan.hpp"

namespace relaxon {

/// The op that steps of a kernel compute if the text names none; nullopt: it always does. Kernels that only
/// move values have the op of a default Step.
std::optional<OpKind> usual_op(Kernel kernel);

/// An op that carries this kind of attributes; nullopt for none.
std::optional<OpKind> op_carrying(const Attributes& attributes);

/// Attributes with all that is needed to read them back: "{dense edge=1-0}", "\"weight/1-0\" : f32[3,4]".
std::string attribute_text(const Attributes& attributes, const std::vector<std::string>& patterns);

inline bool has_body(Kernel kernel) { return kernel == Kernel::scan || kernel == Kernel::loop; }

}  // namespace relaxon
