// What stream.cpp and capture.cpp share.
#pragma once
#include <deque>
#include <memory>
#include <set>

#include "device.h"

namespace hk {

struct Stream;
struct Operation {
  std::function<void()> run;
  Stream* stream;
  std::vector<std::shared_ptr<Operation>> after;
  bool done = false;
};
using OperationPtr = std::shared_ptr<Operation>;

struct Capture {
  Graph* graph = new Graph;
  Stream* origin;
  int mode;
  bool broken = false;
  std::set<Stream*> joined, not_yet_back;  // streams that take part; those whose work the origin does not wait for
};

struct Stream {
  bool legacy = false;  // the default stream: waits for the blocking ones, and they for it
  bool blocking = false;
  std::deque<OperationPtr> queue;
  OperationPtr last;
  Capture* capture = nullptr;
};

struct Event {
  bool timed, recorded = false;
  OperationPtr operation;
  std::shared_ptr<double> time;  // seconds; negative until it happened
  Capture* capture = nullptr;    // recorded inside this one
  Stream* captured_from = nullptr;
};

// ---- stream.cpp
extern std::set<Stream*> streams;  // all but the default one
Stream* find(void* handle);        // null where there is no such stream

// ---- capture.cpp
extern std::set<Capture*> captures;                                // not ended yet
int breaks(Capture* capture, int error, const std::string& what);  // returns `error`
// An error where the default stream is used while a blocking stream captures, or 0.
int implicit_dependency(Stream* stream, const std::string& what);
// Waits for an event that was recorded in a capture: the stream takes part in it from now on.
cudaError_t wait_in_capture(Stream* stream, Event* event);

}  // namespace hk
