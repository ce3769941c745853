#include "runtime/executor/barriers.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>

namespace relaxon::executor {
namespace {

/// Slots of a plan for two threads.
const std::string slots = R"(plan "p" fixed 20 threads 2
slot %i : i32[] tensor live 0 to 20
slot %n : i32[B] tensor live 0 to 20
slot %T : fix[N,900] tensor live 0 to 20
slot %c : f32[2] tensor live 0 to 20
slot %k : f32[900] tensor live 0 to 20
slot %x : tern[B,900] signs live 0 to 20
slot %w : f32[900,900] dense_fixed live 0 to 20
slot %W : f32[900,900] dense live 0 to 20
slot %J : f32[900,900] dense_fixed live 0 to 20
slot %K : f32[900,900] dense live 0 to 20
slot %s : tern[B,900] signs live 0 to 20
slot %t : pm1[B,900] signs live 0 to 20
slot %v : tern[B,900] signs live 0 to 20
slot %m : fix[B,900] partial_rows live 0 to 20
slot %r : fix[B,900] partial_rows live 0 to 20
slot %l : fix[B,900] field_rows live 0 to 20
slot %d : fix[B,900] field_rows live 0 to 3
slot %e : fix[B,900] field_rows live 4 to 20
)";

const std::string message = "%m = exact(%x, %w) {dense edge=1-0 fixed} threads senders\n";
const std::string copy = "%r = copy(%m) threads senders\n";
const std::string sign = "%t = sign(%r, %l) {sign} threads columns\n";
const std::string follow = "%r = follow(%r, %s, %t, %J, %m) {dense edge=1-1 fixed} threads senders\n";
const std::string label = "%l = gather(%T, %n) threads columns\n";
const std::string error = "%v = margin(%r, %s, %k) {perceptron} threads columns\n";
std::string update(const std::string& weight, const std::string& q) {
  return "%" + weight + ", %" + q + " = update(%" + weight +
         ", %x, %v, %c) {sgd edge=1-1} after correlate {dense edge=1-1} : f32[900,900] threads senders\n";
}

/// Which steps wait, by kernel: "exact | copy follow" has one barrier, after the first.
std::string walked(const std::string& steps, int team = 2) {
  const Plan plan = parse_plan(slots + steps, "p.rx");
  Memory memory(plan, team);
  memory.prepare(32, {});
  Barriers barriers(memory, team == plan.threads);
  std::string text;
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    const auto position = static_cast<std::int32_t>(i);
    const bool shared = step.threads != Threads::one;
    const bool waits =
        barriers.next(accesses_of(plan, step, position), shared ? parts_slot(position) : SlotId{});
    text += fmt::format("{}{}{}", i == 0 ? "" : " ", waits ? "| " : "", name_in(kernel_names, step.kernel));
  }
  return text;
}

TEST_CASE("threads go on with what is their own", "[threads]") {
  CHECK(walked(message + copy) == "exact copy");
  // All threads' rows are added up; a change looks at all units.
  CHECK(walked(message + copy + sign + follow) == "exact copy | sign | follow");
  CHECK(walked(message + copy + follow) == "exact copy follow");
  // The rows may be written only once they have been read.
  CHECK(walked(sign + copy) == "sign | copy");
  // Each adds its own units of a label's message.
  CHECK(walked(label + sign) == "gather sign");
  CHECK(walked(error + update("W", "w") + update("K", "J")) == "margin | update update");
}

TEST_CASE("rows of a weight are one thread's as long as the team is as large as the plan's", "[threads]") {
  CHECK(walked(update("W", "w") + message) == "update exact");
  CHECK(walked(update("W", "w") + message, 3) == "update | exact");
  CHECK(walked(message + copy, 3) == "exact copy");
}

TEST_CASE("what the first thread does alone waits for the others, and they for it", "[threads]") {
  const std::string alone = "%l = turn(%l)\n";
  const std::string slice = "%n = slice(%n, %i, %i)\n";
  CHECK(walked("%t = sign(%r) {sign}\n" + message) == "sign exact");
  CHECK(walked(message + "%t = sign(%m) {sign}\n") == "exact | sign");
  CHECK(walked("%t = sign(%m) {sign}\n" + follow) == "sign | follow");
  // The batch at hand is everybody's.
  CHECK(walked(slice + "%c = take_row(%T, %i)\n" + message) == "slice take_row | exact");
  CHECK(walked(message + slice) == "exact | slice");
}

TEST_CASE("slots that share memory are waited for", "[threads]") {
  // %d has lived until step 3; what is written into %e then may lie where it did.
  const std::string first = "%d = zero() threads columns\n", other = "%e = zero() threads columns\n";
  const std::string between = "%x = zero() threads columns\n%v = zero() threads columns\n";
  CHECK(walked(first + between + other) == "zero zero zero | zero");
  CHECK(walked(first + first) == "zero zero");
}

/// "start", "begin", "look" or "carry" of a loop that come after a step: "|" where a barrier must come
/// between.
std::string after(const std::string& step, const std::string& loop) {
  const Plan plan = parse_plan(slots + step + loop, "p.rx");
  Memory memory(plan, 2);
  memory.prepare(32, {});
  const LoopAccesses accesses = accesses_of_loop(plan, plan.steps[1]);
  std::string text;
  for (const auto& [name, own] : {std::pair{"start", accesses.start}, std::pair{"begin", accesses.begin},
                                  std::pair{"look", accesses.look}, std::pair{"carry", accesses.carry}}) {
    Barriers barriers(memory, true);
    barriers.next(accesses_of(plan, plan.steps[0], 0));
    text += fmt::format("{}{}{}", text.empty() ? "" : " ", barriers.next(own) ? "| " : "", name);
  }
  return text;
}

TEST_CASE("loops wait for what they are given, and for what they carry", "[threads]") {
  const std::string scan = "%s, %r = scan %i (%s = %s, %r = %r) until unchanged(%s) {\n  yield %t, %r\n}\n";
  const std::string loop = "%W = loop %i, %c (%W = %W) {\n  yield %W\n}\n";
  // All threads read how often it runs.
  CHECK(after("%i = take_row(%T, %n)\n", scan) == "| start begin look carry");
  CHECK(after("%i = take_row(%T, %n)\n", loop) == "| start begin look carry");
  // Their own units are compared and carried.
  CHECK(after(sign, scan) == "start begin look carry");
  CHECK(after("%t = sign(%l) {sign}\n", scan) == "start begin | look | carry");
  CHECK(after(follow, scan) == "start begin look | carry");
  // A batch has its own frame, index and bound, which others may be at work with.
  CHECK(after(sign, loop) == "| start | begin look carry");
  CHECK(after(update("W", "w"), loop) == "| start | begin look carry");
  CHECK(after("%t = sign(%l) {sign}\n", loop) == "start begin look carry");
  CHECK(after("%n = slice(%n, %i, %i)\n", loop) == "start begin | look carry");
  // What is carried by copying is copied by units, once nobody reads it.
  const std::string copied = "%s = scan %i (%s = %x) {\n  yield %v\n}\n";
  CHECK(after(error, copied) == "| start begin look carry");
  CHECK(after(message, copied) == "start begin look carry");
}

TEST_CASE("parts are put together before they are made again", "[threads]") {
  // After the barrier the first thread is at work on them.
  CHECK(walked(sign + follow) == "sign | follow");
  const Plan plan = parse_plan(slots + sign, "p.rx");
  Memory memory(plan, 2);
  memory.prepare(32, {});
  Barriers barriers(memory, true);
  const std::vector<Access> own = accesses_of(plan, plan.steps[0], 7);
  CHECK_FALSE(barriers.next(own, parts_slot(7)));
  CHECK_FALSE(barriers.next(own, parts_slot(7)));
  barriers.met();
  CHECK(barriers.next(own, parts_slot(7)));
  barriers.met();
  barriers.met();
  CHECK_FALSE(barriers.next(own, parts_slot(7)));
  // Two paths that meet: whoever came by either waits.
  Barriers one(memory, true), two(memory, true);
  two.next(own, parts_slot(7));
  two.add(one);
  CHECK_FALSE(two.next({{parts_slot(7), Reach::units, true}}));
  one.add(two);
  CHECK(one.next({{parts_slot(7), Reach::first, true}}));
}

}  // namespace
}  // namespace relaxon::executor
