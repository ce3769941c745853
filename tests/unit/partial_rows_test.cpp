#include "passes/plan/partial_rows.hpp"

#include <catch2/catch.hpp>

#include "passes/plan/verify.hpp"
#include "runtime/target.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;

/// Two messages of dense weights that are summed, one of them carried.
const std::string two_messages = R"(plan "p" fixed 20 threads 2
slot %n : i32[] tensor live 0 to 20
slot %x : tern[B,900] signs live 0 to 20
slot %w : f32[900,900] dense_fixed live 0 to 20
slot %J : f32[900,900] dense_fixed live 0 to 20
slot %s : tern[B,900] signs live 0 to 20
slot %t : pm1[B,900] signs live 0 to 20
slot %m : fix[B,900] field_rows live 0 to 20
slot %r : fix[B,900] field_rows live 0 to 20
slot %z : fix[B,900] field_rows live 0 to 20
slot %f : fix[B,900] fields live 0 to 20
slot %g : fix[B,900] fields live 0 to 20
%m = exact(%x, %w) {dense edge=1-0 fixed}
%z = zero()
%s, %r = scan %n (%s = %s, %r = %z) {
  %t = sign(%m, %r) {sign}
  %r = follow(%r, %s, %t, %J) {dense edge=1-1 fixed}
  yield %t, %r
}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// The lines of the plan that say how fields lie and messages are shared, after sharing.
std::string shared(const std::string& text) {
  Plan plan = parse_plan(text, "p.rx");
  PlanOptions options;
  options.target.cores = plan.threads;
  share_by_senders(plan, CostModel(plan, sizes_of(plan, options), options.target), default_rates(plan));
  std::string lines;
  for (const Slot& slot : plan.slots) {
    if (holds_fields(slot.storage))
      lines += fmt::format("{}: {}\n", slot.name, name_in(storage_names, slot.storage));
  }
  for_each_step(plan.steps, [&](const Step& step, int) {
    lines += fmt::format("{} {}\n", name_in(kernel_names, step.kernel), name_in(threads_names, step.threads));
  });
  return lines;
}

const std::string steps_shared = "exact senders\nzero senders\nscan one\nsign one\nfollow senders\n";

TEST_CASE("dense messages are shared by senders, each thread with rows of its own", "[plan][threads]") {
  CHECK(shared(two_messages) ==
        "m: partial_rows\nr: partial_rows\nz: partial_rows\nf: fields\ng: fields\n" + steps_shared);
}

TEST_CASE("fields that are read otherwise than as sums stay whole, with all that share a slot",
          "[plan][threads]") {
  // The carry is turned after the loop: its start, too, stays as it is. The other message doesn't mind.
  CHECK(shared(two_messages + "%f = turn(%r)\n") ==
        "m: partial_rows\nr: field_rows\nz: field_rows\nf: fields\ng: fields\n"
        "exact senders\nzero one\nscan one\nsign one\nfollow one\nturn one\n");
  // A sum is made whole.
  CHECK(shared(replaced(two_messages, "%z = zero()", "%z = sum(%m, %f)")) ==
        "m: partial_rows\nr: field_rows\nz: field_rows\nf: fields\ng: fields\n"
        "exact senders\nsum one\nscan one\nsign one\nfollow one\n");
}

TEST_CASE("a carried message starts as a copy, which may be shared out where what it is of isn't",
          "[plan][threads]") {
  const auto started_from = [](const std::string& text) {
    return replaced(replaced(replaced(text, "%z = zero()", "%z = copy(%m)"), "sign(%m, %r)", "sign(%r)"),
                    "%t, %J)", "%t, %J, %m)");
  };
  const std::string steps = "copy senders\nscan one\nsign one\nfollow senders\n";
  CHECK(shared(started_from(two_messages)) ==
        "m: partial_rows\nr: partial_rows\nz: partial_rows\nf: fields\ng: fields\nexact senders\n" + steps);
  // What is turned lies whole, below rows that each thread adds to alone.
  CHECK(shared(started_from(replaced(two_messages, "%m = exact(%x, %w) {dense edge=1-0 fixed}",
                                     "%f = zero()\n%m = turn(%f)"))) ==
        "m: field_rows\nr: partial_rows\nz: partial_rows\nf: fields\ng: fields\nzero one\nturn one\n" +
            steps);
  // Rows of several threads don't lie below whole ones.
  CHECK(shared(started_from(two_messages) + "%f = turn(%r)\n") ==
        "m: field_rows\nr: field_rows\nz: field_rows\nf: fields\ng: fields\n"
        "exact one\ncopy one\nscan one\nsign one\nfollow one\nturn one\n");
}

TEST_CASE("small messages stay on one thread", "[plan][threads]") {
  std::string text = two_messages;
  for (std::size_t at; (at = text.find("900")) != std::string::npos;) text.replace(at, 3, "5");
  CHECK(shared(text) ==
        "m: field_rows\nr: field_rows\nz: field_rows\nf: fields\ng: fields\n"
        "exact one\nzero one\nscan one\nsign one\nfollow one\n");
}

TEST_CASE("there are senders for every thread", "[plan][threads]") {
  std::string text = replaced(two_messages, "threads 2", "threads 4");
  text =
      replaced(replaced(text, "%x : tern[B,900]", "%x : tern[B,3]"), "%w : f32[900,900]", "%w : f32[3,900]");
  CHECK(shared(text).find("m: field_rows\n") == 0);
  const std::string forced =
      replaced(replaced(text, "%m : fix[B,900] field_rows", "%m : fix[B,900] partial_rows"), "1-0 fixed}",
               "1-0 fixed} threads senders");
  std::string with_inputs = forced + "result \"m\" %n\n";
  with_inputs = replaced(with_inputs, "slot %x",
                         "slot %b : tern[B,3] tensor live 0 to 20\nslot %W : f32[3,900] "
                         "tensor live 0 to 20\nslot %V : f32[3,900] dense live 0 to 20\nslot %x");
  with_inputs = replaced(with_inputs, "%m = exact",
                         "binding \"n\" %n\nbinding \"b\" %b\nbinding \"W\" %W\n%x = load(%b)\n"
                         "%V = load(%W)\n%w = quantise(%V) {dense edge=1-0 fixed}\n%m = exact");
  CHECK(error_of([&] { verify(parse_plan(with_inputs, "p.rx")); }) ==
        "plan p: step 4 (%m = exact): 4 threads share 3 senders");
}

}  // namespace
}  // namespace relaxon
