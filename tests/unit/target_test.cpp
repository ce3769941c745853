#include "core/target.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "core/error.hpp"
#include "runtime/kernels/kernels.hpp"
#include "runtime/target.hpp"

namespace relaxon {
namespace {

const std::string generic =
    "cores=2 isa=avx512 l1=32768 l2=1048576 l3=33554432 clock=3.7 adds=118 fmas=59 l1_rate=140 l2_rate=110 "
    "l3_rate=90 memory_rate=20 latency=200 barrier=150";

std::string error_of(std::string_view text) {
  try {
    (void)parse_target(text, "m.target");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a target is one line, and back", "[target]") {
  CHECK(print(Target{}) == generic);
  CHECK(parse_target(generic, "m.target") == Target{});
  std::mt19937_64 engine(7);
  std::uniform_real_distribution<double> rate(0.001, 5000);
  for (int i = 0; i < 200; ++i) {
    Target t;
    t.cores = 1 + static_cast<int>(engine() % 1024);
    t.isa = static_cast<Isa>(engine() % 3);
    t.l2 = static_cast<std::int64_t>(engine() % (std::uint64_t{1} << 40));
    for (double Target::*member : {&Target::clock, &Target::adds, &Target::fmas, &Target::l1_rate,
                                   &Target::memory_rate, &Target::latency, &Target::barrier})
      t.*member = rate(engine);
    CHECK(parse_target(print(t), "m.target") == t);
  }
}

TEST_CASE("a text changes what it names", "[target]") {
  Target expected;
  expected.cores = 8;
  expected.l3 = 0;
  CHECK(parse_target("# a comment\n cores=8\tl3=0 # another\r\n\n", "m.target") == expected);
  CHECK(parse_target("", "m.target", expected) == expected);
  CHECK(parse_target("isa=avx2", "m.target").vector_floats() == 8);
  CHECK(parse_target("isa=x86-64", "m.target").vector_floats() == 4);
}

TEST_CASE("a wrong target names the key, expected and given", "[target]") {
  CHECK(error_of("cores") == "m.target: expected KEY=VALUE, found 'cores'");
  CHECK(error_of("cores=0") == "m.target: cores: expected an integer in 1 .. 1024, found '0'");
  CHECK(error_of("cores=2.5") == "m.target: cores: expected an integer in 1 .. 1024, found '2.5'");
  CHECK(error_of("isa=sse") == "m.target: isa: expected x86-64, avx2 or avx512, found 'sse'");
  CHECK(error_of("l1=-1") == "m.target: l1: expected an integer in 0 .. 1099511627776, found '-1'");
  for (const std::string value : {"0", "-1", "nan", "inf", "", "1e13", "3x"}) {
    CHECK(error_of("clock=" + value) == "m.target: clock: expected a number above 0, found '" + value + "'");
  }
  CHECK(error_of("cores=2 cores=3") == "m.target: cores: expected once, found twice");
  CHECK(
      error_of("core=2") ==
      "m.target: core: expected one of the keys cores, isa, l1, l2, l3, clock, adds, fmas, l1_rate, l2_rate, "
      "l3_rate, memory_rate, latency, barrier, found an unknown key");
}

TEST_CASE("bytes come from the smallest cache that holds them", "[target]") {
  Target t;
  CHECK(t.rate(32768) == 140);
  CHECK(t.rate(32769) == 110);
  CHECK(t.rate(1e7) == 90);
  CHECK(t.rate(1e9) == 20);
  t.l3 = 0;
  CHECK(t.rate(1e7) == 20);
}

TEST_CASE("this machine is a target", "[target]") {
  for (const Target& host : {host_target(), measured_target()}) {
    CHECK(host.cores >= 1);
    CHECK(has_isa(host.isa));
    CHECK(parse_target(print(host), "host") == host);
  }
}

TEST_CASE("peaks are counted as they are", "[target][kernels]") {
  for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
    if (!has_isa(isa)) continue;
    INFO(name_of(isa));
    const KernelTable& table = kernels(isa);
    // Chains that each count rounds, all added up.
    CHECK(table.peak_adds(5) == 60);
    CHECK(table.peak_fmas(60) == 12.0f);  // each settles at 1
    std::vector<std::uint32_t> numbers(512);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::uint32_t>(i);
    const auto* bytes = reinterpret_cast<const std::byte*>(numbers.data());
    CHECK(table.read_all(bytes, 2048) != table.read_all(bytes, 1024));
  }
}

}  // namespace relaxon
