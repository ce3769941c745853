// What probes of a session saw, as arrays.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.hpp"
#include "passes/probe.hpp"
#include "runtime/program.hpp"

namespace relaxon {

/// A request to a session: the values of `probes` in `steps` batches, after `first` that run as if there were
/// no probes. The sink is called as Program::run calls it, the indices being the batch, from 0 at the first
/// one seen, then the iteration of what a phase's iterations hold.
struct Recording {
  std::vector<Probe> probes;
  ProbeSink sink;
  std::int64_t first = 0, steps = 1;
};

/// A sink that keeps everything. Elements are stored as graphs store them: states i8, fields i64 in units of
/// 2^-F, weights, correlations and scores f32 or i64; a sparse weight's entries in pattern order.
class Recorder {
 public:
  /// A sink that writes here; valid as long as this object.
  ProbeSink sink();

  /// The names seen: those of the probes, each with its phase ("s1@2").
  std::vector<std::string> names() const;

  /// All of a name. Values of images: (images, units); where each batch gave several, one after each
  /// iteration, in front the iteration: (iterations, images, units). Others: (batches, ...), in the order
  /// they came. Throws Error for a name that nothing was seen of.
  Tensor array(const std::string& name) const;

 private:
  struct Values {
    std::int64_t batch = -1;                  // the last one
    std::size_t at = 0;                       // values of that batch so far
    std::vector<std::vector<Tensor>> frames;  // [iteration][batch]
  };
  std::map<std::string, Values> values_;
};

/// Where probes go that name no file.
inline constexpr std::string_view default_probe_file = "probes.safetensors";

/// Where a probe goes: a .npy file of its own, or a .safetensors file that several may share.
struct ProbeFile {
  Probe probe;
  std::filesystem::path file;
};

/// "PROBE" or "PROBE=FILE". Throws Error.
ProbeFile parse_probe_file(std::string_view text);

/// Checks the names of files. Throws Error "probe s1: ...".
void validate(const std::vector<ProbeFile>& files);

/// Writes what a recorder saw of each probe; a .npy file holds one array, so its probe must be of one phase.
/// Relative names are in `folder`, which is made if it isn't there. Throws Error.
void save(const Recorder& recorder, const std::vector<ProbeFile>& files, const std::filesystem::path& folder);

}  // namespace relaxon
