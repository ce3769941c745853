#include "runtime/jit/llvm/symbols.hpp"

#include <fcntl.h>
#include <llvm/Object/ELFObjectFile.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.hpp"

namespace relaxon::jit {
namespace {

/// A line a function: address and length in hexadecimal, name.
std::string map_of(llvm::orc::LLJIT& jit, const std::string& object) {
  auto file = llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, "plan"));
  if (!file) internal_error("generated code is no object: {}", llvm::toString(file.takeError()));
  std::string lines;
  for (const llvm::object::ELFSymbolRef symbol :
       llvm::cast<llvm::object::ELFObjectFileBase>(**file).symbols()) {
    llvm::Expected<llvm::object::SymbolRef::Type> type = symbol.getType();
    llvm::Expected<llvm::StringRef> name = symbol.getName();
    if (!type || !name) internal_error("generated code has a malformed symbol");
    if (*type != llvm::object::SymbolRef::ST_Function) continue;
    auto address = jit.lookup(*name);
    if (!address) internal_error("{} is not linked: {}", name->str(), llvm::toString(address.takeError()));
    lines += fmt::format("{:x} {:x} {}\n", address->getValue(), symbol.getSize(), name->str());
  }
  return lines;
}

}  // namespace

void append_perf_map(llvm::orc::LLJIT& jit, const std::string& object) {
  const std::string path = fmt::format("/tmp/perf-{}.map", getpid());  // where perf looks for it
  const std::string lines = map_of(jit, object);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  const ssize_t written = file < 0 ? -1 : write(file, lines.data(), lines.size());
  const int error = errno;
  if (file >= 0) close(file);
  if (written != static_cast<ssize_t>(lines.size()))
    fail("RELAXON_SYMBOLS: can't write {}: {}", path, std::strerror(error));
}

}  // namespace relaxon::jit
