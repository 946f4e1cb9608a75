#include "json.h"

#include "output.h"

namespace cli {

Json json_of(const tincan::Failure& failure, ExitCode code) {
  return {{"outcome", tincan::name(failure.outcome())},
          {"cause", tincan::name(failure.cause())},
          {"message", failure.explain()},
          {"detail", failure.detail()},
          {"code", failure.code()},
          {"system_error", failure.system_error()},
          {"exit_code", static_cast<int>(code)}};
}

Json json_of(const tincan::Peer& peer) {
  Json json;
  json["uid"] = peer.uid() ? Json(*peer.uid()) : Json();
  json["gid"] = peer.gid() ? Json(*peer.gid()) : Json();
  json["pid"] = peer.pid() ? Json(*peer.pid()) : Json();
  json["inherited"] = peer.inherited();
  return json;
}

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

namespace {

ExitCode print_json(const Json& json, ExitCode code, int json_to) {
  if (json_to == STDOUT_FILENO) {
    const ExitCode printed = print(line_of(json));
    return printed == ExitCode::success ? code : printed;
  }
  [[maybe_unused]] const int error = write_all(json_to, line_of(json));
  return code;
}

}  // namespace

ExitCode report(const tincan::Failure& failure, ExitCode code, bool as_json, int json_to) {
  if (as_json) return print_json(json_of(failure, code), code, json_to);
  complain(failure);
  return code;
}

ExitCode report_here(const tincan::Failure& failure, ExitCode code, bool as_json, int json_to) {
  if (!as_json) return report(failure, code, false);
  Json json = json_of(failure, code);
  json.erase("outcome");
  return print_json(json, code, json_to);
}

ExitCode report_usage(const std::string& sentence, const std::string& command, bool as_json,
                      int json_to) {
  const tincan::Failure failure(tincan::Cause::usage, sentence);
  const ExitCode code = report_here(failure, ExitCode::usage, as_json, json_to);
  if (!as_json) remark("Try: " + command + " --help");
  return code;
}

}  // namespace cli
