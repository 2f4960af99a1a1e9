// Streams and events. Work is queued, and done as late as CUDA permits ("lazy").
#include "stream.h"

#include <chrono>

namespace hk {

std::set<Stream*> streams;

namespace {

constexpr size_t LONGEST_QUEUE = 4096;

Stream legacy_stream{.legacy = true};
std::set<Event*> events;
bool lazy = true;

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

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int unusable_in_capture(Event* event, const char* what) {
  if (!events.count(event)) return cudaErrorInvalidResourceHandle;
  if (captures.count(event->capture)) return breaks(event->capture, cudaErrorCapturedEvent, what);
  return 0;
}

}  // namespace

Stream* find(void* handle) {
  if (handle == nullptr || handle == cudaStreamLegacy) return &legacy_stream;
  return streams.count((Stream*)handle) ? (Stream*)handle : nullptr;
}

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

void finish_everything() {
  finish(&legacy_stream);
  for (auto* stream : streams) finish(stream);
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

EXPORT cudaError_t cudaStreamCreate(cudaStream_t* out) { return cudaStreamCreateWithPriority(out, 0, 0); }

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

EXPORT cudaError_t cudaEventCreate(cudaEvent_t* out) { return cudaEventCreateWithFlags(out, 0); }

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
