#pragma once

/// All of tincan. Start reading at client.h and server.h; bytes without messages are in stream.h.

#include "tincan/address.h"
#include "tincan/client.h"
#include "tincan/descriptor.h"
#include "tincan/failure.h"
#include "tincan/limits.h"
#include "tincan/method.h"
#include "tincan/options.h"
#include "tincan/peer.h"
#include "tincan/server.h"
#include "tincan/stream.h"

/// The library's version. The protocol has its own: docs/wire-format.md.
#define TINCAN_VERSION "0.1.0"
