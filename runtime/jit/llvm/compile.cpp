// From a plan's operations to machine code: one module, one object, linked into the process.
#include <llvm/ADT/StringMap.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/JITSymbol.h>
#include <llvm/ExecutionEngine/Orc/Debugging/DebuggerSupport.h>
#include <llvm/ExecutionEngine/Orc/ExecutionUtils.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/SmallVectorMemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>

#include <map>

#include "core/error.hpp"
#include "core/options.hpp"
#include "runtime/jit/code.hpp"
#include "runtime/jit/llvm/generate.hpp"
#include "runtime/jit/llvm/symbols.hpp"

namespace relaxon::jit {
namespace {

constexpr const char* triple = "x86_64-unknown-linux-gnu";

/// What code is generated for. Only what the kernel table of the instruction set assumes; the processor
/// itself decides nothing but the order of instructions.
struct MachineType {
  explicit MachineType(Isa isa) : cpu(llvm::sys::getHostCPUName().str()) {
    if (isa != Isa::x86_64) features = "+avx2,+fma,+bmi,+bmi2,+popcnt";
    if (isa == Isa::avx512)
      features += ",+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512vpopcntdq,+avx512vnni";
  }
  std::string cpu;  // to tune for
  std::string features;
};

void initialise_llvm() {
  static const bool done = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    return true;
  }();
  (void)done;
}

std::string message_of(llvm::Error error) { return llvm::toString(std::move(error)); }

/// Everything that object code depends on.
std::string key_of(const std::vector<NamedOperation>& operations, Isa isa) {
  const MachineType type(isa);
  std::string key = fmt::format("generator {}\nllvm {}\ntune {}\nfeatures {}\n", RELAXON_GENERATOR,
                                LLVM_VERSION_STRING, type.cpu, type.features);
  for (const NamedOperation& named : operations)
    key += fmt::format("{} = {}\n", named.name, text_of(named.operation));
  return key;
}

void add_function(llvm::Module& module, const NamedOperation& named, Isa isa) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* number = llvm::Type::getInt64Ty(context);
  llvm::Type* pointer = llvm::PointerType::get(context, 0);
  llvm::Function* function =
      llvm::Function::Create(llvm::FunctionType::get(number, {pointer, number, number, number}, false),
                             llvm::GlobalValue::ExternalLinkage, named.name, module);
  const MachineType type(isa);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  function->addFnAttr("target-cpu", "x86-64");
  function->addFnAttr("tune-cpu", type.cpu);
  function->addFnAttr("target-features", type.features);
  function->addFnAttr("prefer-vector-width", "512");
  function->addFnAttr("min-legal-vector-width", "512");
  function->addFnAttr("denormal-fp-math", "preserve-sign,preserve-sign");
  Emitter emitter(*function, isa);
  std::visit([&](const auto& operation) { generate(emitter, operation); }, named.operation);
}

std::unique_ptr<llvm::TargetMachine> target_machine(Isa isa) {
  initialise_llvm();
  std::string error;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Triple name(triple);
#else
  const char* name = triple;
#endif
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(name, error);
  if (!target) internal_error("LLVM has no target {}: {}", triple, error);
  const MachineType type(isa);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(name, "x86-64", type.features, options, llvm::Reloc::PIC_,
                                  llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default));
}

std::unique_ptr<llvm::Module> make_module(llvm::LLVMContext& context, llvm::TargetMachine& machine,
                                          const std::vector<NamedOperation>& operations, Isa isa) {
  auto module = std::make_unique<llvm::Module>("plan", context);
  module->setDataLayout(machine.createDataLayout());
#if LLVM_VERSION_MAJOR >= 21
  module->setTargetTriple(llvm::Triple(triple));
#else
  module->setTargetTriple(triple);
#endif
  for (const NamedOperation& named : operations) add_function(*module, named, isa);
  std::string problems;
  llvm::raw_string_ostream stream(problems);
  if (llvm::verifyModule(*module, &stream)) internal_error("generated code is malformed: {}", problems);
  return module;
}

std::string assemble(llvm::TargetMachine& machine, llvm::Module& module, llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
    internal_error("LLVM can't write such a file");
  passes.run(module);
  return std::string(bytes.data(), bytes.size());
}

class LinkedCode final : public Code {
 public:
  /// Links an object. Throws Error if it isn't what the operations need.
  LinkedCode(const std::vector<NamedOperation>& operations, const std::string& object,
             SymbolListeners listeners) {
    initialise_llvm();
    llvm::orc::JITTargetMachineBuilder builder{llvm::Triple(triple)};
    auto made = llvm::orc::LLJITBuilder()
                    .setJITTargetMachineBuilder(std::move(builder))
                    .setLinkProcessSymbolsByDefault(listeners.gdb)  // gdb's own; there are no others
                    .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                    .create();
    if (!made) fail("backend jit: {}", message_of(made.takeError()));
    jit_ = std::move(*made);
    if (listeners.gdb) {
      if (auto error = llvm::orc::enableDebuggerSupport(*jit_))
        fail("RELAXON_SYMBOLS: {}", message_of(std::move(error)));
    }
    auto buffer = llvm::MemoryBuffer::getMemBufferCopy(object, "plan");
    if (auto error = jit_->addObjectFile(std::move(buffer)))
      fail("backend jit: {}", message_of(std::move(error)));
    for (const NamedOperation& named : operations) {
      auto address = jit_->lookup(named.name);
      if (!address) fail("backend jit: {}", message_of(address.takeError()));
      functions_[text_of(named.operation)] = address->toPtr<Function>();
    }
    if (listeners.perf) append_perf_map(*jit_, object);
  }

  Function find(const Operation& operation) const override {
    const auto found = functions_.find(text_of(operation));
    return found == functions_.end() ? nullptr : found->second;
  }

 private:
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  std::map<std::string, Function> functions_;
};

}  // namespace

bool available() { return true; }

Compiled compile(const std::vector<NamedOperation>& operations, Isa isa, const CodeCache& cache) {
  Compiled result;
  result.report.functions = static_cast<std::int64_t>(operations.size());
  StageClock clock;
  const auto done = [&](const char* stage) { result.report.stages.push_back({stage, clock.lap()}); };
  const SymbolListeners listeners = symbol_listeners();
  const std::string key = key_of(operations, isa);
  CodeCache::Found found = cache.find(key);
  done("look-up");
  if (found.code) {
    try {
      result.code = std::make_unique<LinkedCode>(operations, *found.code, listeners);
      done("link");
      result.report.from_cache = true;
      return result;
    } catch (const Error&) {
      found.why_not = "its entry in the cache can't be linked";
    }
  }
  result.report.why = found.why_not;
  const auto machine = target_machine(isa);
  llvm::LLVMContext context;
  const auto module = make_module(context, *machine, operations, isa);
  done("generate");
  const std::string object = assemble(*machine, *module, llvm::CodeGenFileType::ObjectFile);
  done("codegen");
  result.code = std::make_unique<LinkedCode>(operations, object, listeners);
  done("link");
  cache.store(key, object);
  done("store");
  return result;
}

std::string emit(const std::vector<NamedOperation>& operations, Isa isa, Emit form) {
  const auto machine = target_machine(isa);
  llvm::LLVMContext context;
  const auto module = make_module(context, *machine, operations, isa);
  if (form == Emit::assembly) return assemble(*machine, *module, llvm::CodeGenFileType::AssemblyFile);
  std::string text;
  llvm::raw_string_ostream stream(text);
  module->print(stream, nullptr);
  return text;
}

}  // namespace relaxon::jit
