#include "runtime/recording.hpp"

#include <algorithm>
#include <cstring>
#include <set>
#include <system_error>

#include "core/error.hpp"
#include "core/npy.hpp"
#include "core/safetensors.hpp"

namespace relaxon {
namespace {

/// Arrays of equal type, and of equal shape but for axis 0, one after the other along it.
Tensor concatenated(const std::vector<Tensor>& parts) {
  Shape shape = parts.at(0).shape();
  if (shape.empty()) internal_error("a probe of scalars");
  shape[0] = 0;
  for (const Tensor& part : parts) shape[0] += part.shape()[0];
  Tensor all(parts[0].dtype(), shape);
  std::size_t at = 0;
  for (const Tensor& part : parts) {
    if (part.bytes() > 0) std::memcpy(all.raw() + at, part.raw(), part.bytes());
    at += part.bytes();
  }
  return all;
}

/// Equally shaped arrays with a new axis 0.
Tensor stacked(std::vector<Tensor> parts) {
  for (Tensor& part : parts) {
    Shape shape = part.shape();
    shape.insert(shape.begin(), 1);
    part = std::move(part).reshaped(std::move(shape));
  }
  return concatenated(parts);
}

bool is_npy(const std::filesystem::path& file) { return file.extension() == ".npy"; }

/// The names that a probe's values were seen under: with a phase each.
std::vector<std::string> seen_of(const Recorder& recorder, const Probe& probe) {
  std::vector<std::string> names;
  for (const std::string& name : recorder.names()) {
    Probe seen = parse_probe(name);
    if (!probe.phase) seen.phase.reset();
    if (seen == probe) names.push_back(name);
  }
  return names;
}

}  // namespace

ProbeSink Recorder::sink() {
  return [this](std::string_view name, const std::vector<std::int64_t>& at, const Tensor& value) {
    Values& values = values_[std::string(name)];
    if (at.at(0) != values.batch) {
      values.batch = at[0];
      values.at = 0;
    }
    if (values.at == values.frames.size()) values.frames.emplace_back();
    values.frames[values.at++].push_back(value);
  };
}

std::vector<std::string> Recorder::names() const {
  std::vector<std::string> all;
  for (const auto& [name, values] : values_) all.push_back(name);
  return all;
}

Tensor Recorder::array(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) fail("probe {}: nothing was seen of it", name);
  const Probe probe = parse_probe(name);
  const auto& frames = found->second.frames;
  if (!has_batch(probe)) {
    std::vector<Tensor> all;
    for (std::size_t batch = 0; batch < frames[0].size(); ++batch) {
      for (const auto& frame : frames) all.push_back(frame.at(batch));
    }
    return stacked(std::move(all));
  }
  std::vector<Tensor> iterations;
  for (const auto& frame : frames) iterations.push_back(concatenated(frame));
  return iterations.size() == 1 && !probe.every ? std::move(iterations[0]) : stacked(std::move(iterations));
}

ProbeFile parse_probe_file(std::string_view text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string_view file = text.substr(std::min(equals + 1, text.size()));
  if (equals < text.size() && file.empty()) fail("probe {}: expected a file after =", text);
  return {parse_probe(text.substr(0, equals)), equals < text.size() ? file : default_probe_file};
}

void validate(const std::vector<ProbeFile>& files) {
  std::set<std::filesystem::path> arrays;
  for (const ProbeFile& f : files) {
    const std::string name = to_string(f.probe);
    if (!is_npy(f.file) && f.file.extension() != ".safetensors")
      fail("probe {}: expected a .npy or .safetensors file, found {}", name, f.file.string());
    if (is_npy(f.file) && !arrays.insert(f.file.lexically_normal()).second)
      fail("probe {}: {} is the file of another probe; a .npy file holds one array", name, f.file.string());
  }
}

void save(const Recorder& recorder, const std::vector<ProbeFile>& files,
          const std::filesystem::path& folder) {
  std::map<std::filesystem::path, Safetensors> shared;
  if (!folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) fail("{}: cannot make the folder: {}", folder.string(), error.message());
  }
  for (const ProbeFile& f : files) {
    const std::vector<std::string> names = seen_of(recorder, f.probe);
    if (names.empty()) fail("probe {}: nothing was seen of it", to_string(f.probe));
    const std::filesystem::path path = folder / f.file;
    if (!is_npy(f.file)) {
      for (const std::string& name : names) shared[path].tensors[name] = recorder.array(name);
      continue;
    }
    if (names.size() > 1) {
      fail(
          "probe {}: {} phases; a .npy file holds one array: expected a phase, as in {}, or a .safetensors "
          "file",
          to_string(f.probe), names.size(), names.back());
    }
    save_npy(path, recorder.array(names[0]));
  }
  for (const auto& [path, contents] : shared) save_safetensors(path, contents);
}

}  // namespace relaxon
