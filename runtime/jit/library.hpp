// Functions that several plans share.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/jit/code.hpp"

namespace relaxon::jit {

/// The functions of some plans of one session: what an evaluation needs has mostly been made for the
/// training. For any number of threads.
class Library {
 public:
  /// Code for every step of a plan that has operations: what isn't here is compiled, or found in the cache,
  /// and stays. Throws Error if this build can't.
  Compiled compile(const Plan& plan, Isa isa, const CodeCache& cache);

 private:
  struct Entry {
    std::shared_ptr<const Code> code;
    Function function;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> functions_;  // by instruction set and operation
};

}  // namespace relaxon::jit
