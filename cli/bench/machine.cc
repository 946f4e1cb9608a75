#include "bench/machine.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "trial/placement.h"

namespace cli {

namespace {

namespace fs = std::filesystem;

/// A load average that leaves too little of a CPU to tell. Chosen.
constexpr double load_max = 0.5;
constexpr double stolen_max = 0.01;
/// By how much the same work may take longer in one round than in another, before it is noise.
constexpr double noise_max = 1.5;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// What /proc/cpuinfo says of the first CPU.
std::string cpu_entry(std::string_view name) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const auto colon = line.find(": ");
    return colon == std::string::npos ? std::string() : line.substr(colon + 2);
  }
  return {};
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string mitigations() {
  std::vector<std::string> all;
  std::error_code none;
  for (const auto& entry :
       fs::directory_iterator("/sys/devices/system/cpu/vulnerabilities", none)) {
    const std::string state = first_line(entry.path());
    if (state.starts_with("Not affected")) continue;
    all.push_back(entry.path().filename().string() + ": " + state);
  }
  std::ranges::sort(all);
  return fmt::format("{}", fmt::join(all, "; "));
}

/// Whose virtual machine this is; empty: it is none that says so.
std::string hypervisor() {
  const std::string flags = fmt::format(" {} ", cpu_entry("flags"));
  if (flags.find(" hypervisor ") == std::string::npos) return {};
  const std::string vendor = first_line("/sys/class/dmi/id/sys_vendor");
  return vendor.empty() ? "yes" : vendor;
}

double load_average() {
  double load = 0;
  return ::getloadavg(&load, 1) == 1 ? load : 0;
}

/// The widest spread of the baselines' rounds: how much longer the slow ones took.
double noise_of(const Json& tables) {
  double noise = 1;
  for (const Json& table : tables) {
    for (const Json& row : table.at("rows")) {
      if (row.at("way") != table.at("baseline") || !row.contains("per_second")) continue;
      const Json& rate = row.at("per_second");
      noise = std::max(
          noise, rate.at("high").get<double>() / std::max(1e-9, rate.at("low").get<double>()));
    }
  }
  return noise;
}

}  // namespace

Json describe_machine() {
  utsname kernel = {};
  ::uname(&kernel);
  return {
      {"cpu", or_null(cpu_entry("model name"))},
      {"cpus", bench::allowed_cpus().size()},
      {"kernel", kernel.release},
      {"memory_bytes", static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))},
      {"mitigations", or_null(mitigations())},
      {"governor", or_null(first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))},
      {"virtual", or_null(hypervisor())},
      {"load", load_average()},
      {"warnings", Json::array()}};
}

StolenTime::StolenTime() : start_(read()) {}

StolenTime::Times StolenTime::read() {
  std::ifstream file("/proc/stat");
  std::string name;
  file >> name;
  Times times;
  // user nice system idle iowait irq softirq steal: proc(5).
  for (int column = 0; column < 8; ++column) {
    std::uint64_t value = 0;
    file >> value;
    times.all += value;
    if (column == 7) times.stolen = value;
  }
  return times;
}

double StolenTime::share() const {
  const Times now = read();
  const auto all = static_cast<double>(now.all - start_.all);
  return all > 0 ? static_cast<double>(now.stolen - start_.stolen) / all : 0;
}

std::vector<std::string> warnings_about(const Json& results, double stolen) {
  const Json& machine = results.at("machine");
  std::vector<std::string> warnings;
  if (machine.at("cpus") == 1) {
    warnings.push_back("There is one CPU: who spins keeps the other side from running.");
  }
  if (!machine.at("virtual").is_null()) {
    warnings.push_back(
        "This machine is virtual: to wake a CPU costs more here than on a real one, and the "
        "figures "
        "drift with what its neighbours do. Ratios within a table tell more than times.");
  }
  if (const double load = machine.at("load"); load > load_max) {
    warnings.push_back(
        fmt::format("Others were using the CPUs when this began: load average {:.1f}.", load));
  }
  if (stolen > stolen_max) {
    warnings.push_back(
        fmt::format("The host has taken {:.0f} % of the time for others.", 100 * stolen));
  }
  if (const double noise = noise_of(results.at("tables")); noise > noise_max) {
    warnings.push_back(fmt::format(
        "The same work took up to {:.1f} times as long in one round as in another.", noise));
  }
  return warnings;
}

}  // namespace cli
