// Streams, events, captures and graphs. Work is queued and done as late as CUDA permits ("lazy").
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <set>

#include "device.h"

namespace hk {
namespace {

constexpr size_t LONGEST_QUEUE = 4096;

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

Stream legacy_stream{.legacy = true};
std::set<Stream*> streams;
std::set<Event*> events;
std::set<Capture*> captures;
bool lazy = true;

Stream* find(void* handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return &legacy_stream;
  return streams.count((Stream*)handle) ? (Stream*)handle : nullptr;
}

void run_until(OperationPtr wanted) {
  while (!wanted->done) {
    OperationPtr next = wanted->stream->queue.front();
    wanted->stream->queue.pop_front();
    for (auto& earlier : next->after) run_until(earlier);
    next->after.clear();
    if (!sticky_error) next->run();
    next->run = nullptr;
    next->done = true;
  }
}

void finish(const OperationPtr& operation) {
  if (!operation || operation->done) return;
  DeviceWork work;
  run_until(operation);
}

void finish(Stream* stream) {
  if (!stream->queue.empty()) finish(stream->queue.back());
}

void push(Stream* stream, std::function<void()> run, OperationPtr first = nullptr) {
  auto operation = std::make_shared<Operation>(Operation{std::move(run), stream, {}});
  auto wait_for = [&](const OperationPtr& other) {
    if (other && !other->done) operation->after.push_back(other);
  };
  wait_for(first);
  if (stream->legacy)
    for (auto* other : streams) {
      if (other->blocking) wait_for(other->last);
    }
  else if (stream->blocking)
    wait_for(legacy_stream.last);
  stream->queue.push_back(operation);
  stream->last = operation;
  if (!lazy || stream->queue.size() > LONGEST_QUEUE) finish(stream);
}

int breaks(Capture* capture, int error, const std::string& what) {
  capture->broken = true;
  complain("stream capture forbids: " + what);
  return error;
}

// The default stream may not be used while a blocking stream captures.
int implicit_dependency(Stream* stream, const std::string& what) {
  if (!stream->legacy) return 0;
  for (auto* capture : captures)
    for (auto* member : capture->joined)
      if (member->blocking) return breaks(capture, cudaErrorStreamCaptureImplicit, what + " on the default stream");
  return 0;
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int unusable_in_capture(Event* event, const char* what) {
  if (!events.count(event)) return cudaErrorInvalidResourceHandle;
  if (captures.count(event->capture)) return breaks(event->capture, cudaErrorCapturedEvent, what);
  return 0;
}

cudaError_t wait_in_capture(Stream* stream, Event* event) {
  Capture* capture = event->capture;
  if (stream->capture && stream->capture != capture)
    return remember(breaks(stream->capture, cudaErrorStreamCaptureIsolation, "waiting for another capture's event"));
  if (!stream->capture) {
    stream->capture = capture;
    capture->joined.insert(stream);
    capture->not_yet_back.insert(stream);
  }
  if (stream == capture->origin) capture->not_yet_back.erase(event->captured_from);
  return cudaSuccess;
}

Counter counted_as(Counter kind) {
  return kind == KERNELS ? GRAPH_KERNELS : kind;
}

}  // namespace

cudaError_t enqueue(void* handle, Task task) {
  if (sticky_error) return remember(sticky_error);
  Stream* stream = find(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (int error = implicit_dependency(stream, task.name)) return remember(error);
  if (Capture* capture = stream->capture) {
    if (capture->broken) return remember(cudaErrorStreamCaptureInvalidated);
    if (task.host_waits) return remember(breaks(capture, cudaErrorStreamCaptureUnsupported, task.name));
    capture->graph->tasks.push_back(std::move(task));
    return cudaSuccess;
  }
  ++counters[task.kind];
  push(stream, std::move(task.run));
  if (task.host_waits) finish(stream);
  return remember(sticky_error);
}

bool is_capturing(void* handle) {
  Stream* stream = find(handle);
  return stream && stream->capture;
}

int forbidden_in_capture(const char* call) {
  for (auto* capture : captures)
    if (capture->mode != cudaStreamCaptureModeRelaxed) return breaks(capture, cudaErrorStreamCaptureUnsupported, call);
  return 0;
}

void finish_everything() {
  finish(&legacy_stream);
  for (auto* stream : streams) finish(stream);
}

void abandon_captures() {
  captures.clear();
  for (auto* stream : streams) stream->capture = nullptr;
}

}  // namespace hk

using namespace hk;

EXPORT void hk_set_lazy(int on) {
  LOCK;
  lazy = on;
}

// ---- streams

EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t* out, unsigned flags, int) {
  ENTER;
  auto* stream = new Stream{.blocking = !(flags & cudaStreamNonBlocking)};
  streams.insert(stream);
  *out = (cudaStream_t)stream;
  return cudaSuccess;
}

EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned flags) {
  return cudaStreamCreateWithPriority(out, flags, 0);
}

EXPORT cudaError_t cudaStreamCreate(cudaStream_t* out) {
  return cudaStreamCreateWithPriority(out, 0, 0);
}

EXPORT cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  LOCK;
  auto* stream = (Stream*)handle;
  if (!streams.count(stream)) return remember(cudaErrorInvalidResourceHandle);
  finish(stream);
  streams.erase(stream);  // not deleted: finished operations may still name it
  return cudaSuccess;
}

EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  ENTER;
  Stream* stream = find(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture)
    return remember(breaks(stream->capture, cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize"));
  if (int error = implicit_dependency(stream, "cudaStreamSynchronize")) return remember(error);
  ++counters[SYNC];
  if (stream->legacy)
    finish_everything();
  else
    finish(stream);
  return remember(sticky_error);
}

EXPORT cudaError_t cudaDeviceSynchronize() {
  ENTER;
  for (auto* capture : captures)
    return remember(breaks(capture, cudaErrorStreamCaptureUnsupported, "cudaDeviceSynchronize"));
  ++counters[SYNC];
  finish_everything();
  return remember(sticky_error);
}

EXPORT cudaError_t cudaStreamQuery(cudaStream_t handle) {
  ENTER;
  Stream* stream = find(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture) return remember(breaks(stream->capture, cudaErrorStreamCaptureUnsupported, "cudaStreamQuery"));
  ++counters[QUERY];
  if (stream->queue.empty()) return cudaSuccess;
  finish(stream->queue.front());  // so that who polls comes to an end
  return cudaErrorNotReady;
}

// ---- events

EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned flags) {
  ENTER;
  auto* event = new Event{.timed = !(flags & cudaEventDisableTiming)};
  events.insert(event);
  *out = (cudaEvent_t)event;
  return cudaSuccess;
}

EXPORT cudaError_t cudaEventCreate(cudaEvent_t* out) {
  return cudaEventCreateWithFlags(out, 0);
}

EXPORT cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  LOCK;
  if (!events.erase((Event*)handle)) return remember(cudaErrorInvalidResourceHandle);
  delete (Event*)handle;
  return cudaSuccess;
}

EXPORT cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  ENTER;
  auto* event = (Event*)handle;
  Stream* stream = find(stream_handle);
  if (!stream || !events.count(event)) return remember(cudaErrorInvalidResourceHandle);
  if (int error = implicit_dependency(stream, "cudaEventRecord")) return remember(error);
  event->recorded = true;
  event->operation = nullptr;
  event->capture = stream->capture;
  event->captured_from = stream;
  auto time = event->time = std::make_shared<double>(-1);
  if (stream->capture) return cudaSuccess;
  push(stream, [time] { *time = seconds(); });
  event->operation = stream->last;
  return remember(sticky_error);
}

EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  ENTER;
  auto* event = (Event*)event_handle;
  Stream* stream = find(handle);
  if (!stream || !events.count(event)) return remember(cudaErrorInvalidResourceHandle);
  if (captures.count(event->capture)) return wait_in_capture(stream, event);
  bool pending = event->operation && !event->operation->done;
  if (stream->capture && event->recorded)
    return remember(breaks(stream->capture, cudaErrorStreamCaptureIsolation, "waiting for an event from outside"));
  if (pending && !stream->capture) push(stream, [] {}, event->operation);
  return cudaSuccess;
}

EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  ENTER;
  auto* event = (Event*)handle;
  if (int error = unusable_in_capture(event, "cudaEventSynchronize")) return remember(error);
  ++counters[SYNC];
  finish(event->operation);
  return remember(sticky_error);
}

EXPORT cudaError_t cudaEventQuery(cudaEvent_t handle) {
  ENTER;
  auto* event = (Event*)handle;
  if (int error = unusable_in_capture(event, "cudaEventQuery")) return remember(error);
  ++counters[QUERY];
  if (!event->operation || event->operation->done) return cudaSuccess;
  finish(event->operation->stream->queue.front());
  return cudaErrorNotReady;
}

EXPORT cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  ENTER;
  auto *first = (Event*)begin, *second = (Event*)end;
  for (auto* event : {first, second})
    if (!events.count(event) || !event->timed || !event->recorded) return remember(cudaErrorInvalidResourceHandle);
  if (*first->time < 0 || *second->time < 0) return cudaErrorNotReady;
  *milliseconds = (*second->time - *first->time) * 1e3;
  return cudaSuccess;
}

// ---- captures and graphs

EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  ENTER;
  Stream* stream = find(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->legacy) return remember(cudaErrorStreamCaptureUnsupported);
  if (stream->capture) return remember(cudaErrorIllegalState);
  auto* capture = new Capture{.origin = stream, .mode = mode};
  capture->joined.insert(stream);
  captures.insert(capture);
  stream->capture = capture;
  return cudaSuccess;
}

EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* out) {
  ENTER;
  *out = nullptr;
  Stream* stream = find(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  Capture* capture = stream->capture;
  if (!capture) return remember(cudaErrorIllegalState);
  if (capture->origin != stream)
    return remember(breaks(capture, cudaErrorStreamCaptureUnmatched, "cudaStreamEndCapture on another stream"));
  for (auto* member : capture->joined) member->capture = nullptr;
  captures.erase(capture);  // not deleted: events may still name it
  if (capture->broken) return remember(cudaErrorStreamCaptureInvalidated);
  if (!capture->not_yet_back.empty()) return remember(cudaErrorStreamCaptureUnjoined);
  *out = (cudaGraph_t)capture->graph;
  return cudaSuccess;
}

EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* out) {
  ENTER;
  Stream* stream = find(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  *out = !stream->capture          ? cudaStreamCaptureStatusNone
         : stream->capture->broken ? cudaStreamCaptureStatusInvalidated
                                   : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

EXPORT cudaError_t cudaGraphInstantiate(cudaGraphExec_t* out, cudaGraph_t graph, unsigned long long) {
  ENTER;
  if (!graph) return remember(cudaErrorInvalidValue);
  *out = (cudaGraphExec_t) new Graph(*(Graph*)graph);
  return cudaSuccess;
}

EXPORT cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  LOCK;
  delete (Graph*)graph;
  return cudaSuccess;
}

EXPORT cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  LOCK;
  finish_everything();
  delete (Graph*)graph;
  return cudaSuccess;
}

EXPORT cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  return cudaSuccess;
}

EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  ENTER;
  auto* graph = (Graph*)handle;
  if (is_capturing(stream))
    return remember(breaks(find(stream)->capture, cudaErrorStreamCaptureUnsupported, "launching a graph"));
  for (auto& task : graph->tasks) ++counters[counted_as(task.kind)];
  auto run = [graph] {
    for (auto& task : graph->tasks)
      if (!sticky_error) task.run();
  };
  return enqueue(stream, {GRAPH_LAUNCHES, "graph launch", run});
}
