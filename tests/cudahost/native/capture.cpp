// Captures, and the graphs that come of them. A graph does its work in the order in which it was recorded.
#include "stream.h"

namespace hk {

std::set<Capture*> captures;

int breaks(Capture* capture, int error, const std::string& what) {
  capture->broken = true;
  complain("stream capture forbids: " + what);
  return error;
}

int implicit_dependency(Stream* stream, const std::string& what) {
  if (!stream->legacy) return 0;
  for (auto* capture : captures)
    for (auto* member : capture->joined)
      if (member->blocking) return breaks(capture, cudaErrorStreamCaptureImplicit, what + " on the default stream");
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

bool is_capturing(void* handle) {
  Stream* stream = find(handle);
  return stream && stream->capture;
}

int forbidden_in_capture(const char* call) {
  for (auto* capture : captures)
    if (capture->mode != cudaStreamCaptureModeRelaxed) return breaks(capture, cudaErrorStreamCaptureUnsupported, call);
  return 0;
}

void abandon_captures() {
  captures.clear();
  for (auto* stream : streams) stream->capture = nullptr;
}

}  // namespace hk

using namespace hk;

// ---- captures

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

// ---- graphs

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

EXPORT cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }

EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t handle, cudaStream_t stream) {
  ENTER;
  auto* graph = (Graph*)handle;
  if (is_capturing(stream))
    return remember(breaks(find(stream)->capture, cudaErrorStreamCaptureUnsupported, "launching a graph"));
  for (auto& task : graph->tasks) ++counters[task.kind == KERNELS ? GRAPH_KERNELS : task.kind];
  auto run = [graph] {
    for (auto& task : graph->tasks)
      if (!sticky_error) task.run();
  };
  return enqueue(stream, {GRAPH_LAUNCHES, "graph launch", run});
}

// ---- what is in a graph

EXPORT CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  LOCK;
  auto& tasks = ((Graph*)graph)->tasks;
  for (size_t i = 0; nodes && i < *count && i < tasks.size(); ++i) nodes[i] = (CUgraphNode)&tasks[i];
  *count = tasks.size();
  return CUDA_SUCCESS;
}

EXPORT CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType* type) {
  LOCK;
  Counter kind = ((Task*)node)->kind;
  *type = kind == KERNELS  ? CU_GRAPH_NODE_TYPE_KERNEL
          : kind == MEMSET ? CU_GRAPH_NODE_TYPE_MEMSET
                           : CU_GRAPH_NODE_TYPE_MEMCPY;
  return CUDA_SUCCESS;
}
