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

ExitCode report(const tincan::Failure& failure, ExitCode code, bool as_json) {
  if (!as_json) {
    complain(failure);
    return code;
  }
  const ExitCode printed = print(line_of(json_of(failure, code)));
  return printed == ExitCode::success ? code : printed;
}

}  // namespace cli
