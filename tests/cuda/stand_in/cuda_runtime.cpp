// CUDA's runtime by the stand-in for a GPU.

#include "cuda_runtime.h"

#include <cstring>

using namespace stand_in;

namespace {

cudaError_t& last() {
    static cudaError_t the = cudaSuccess;
    return the;
}

/// What a function does, unless it is to fail.
template <class Work>
cudaError_t call(char const* name, Work const& work) {
    auto const status = failing(name);
    cudaError_t const result = status ? static_cast<cudaError_t>(status) : work();
    if (result != cudaSuccess)
        last() = result;
    return result;
}

void require(bool holds, char const* otherwise) {
    if (!holds)
        undefined(otherwise);
}

void require_stream(cudaStream_t stream) { require(stream != nullptr, "work outside of engraft's stream"); }

} // namespace

char const* cudaGetErrorName(cudaError_t error) {
    switch (error) {
    case cudaSuccess:
        return "cudaSuccess";
    case cudaErrorInvalidValue:
        return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
        return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
        return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
        return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
        return "cudaErrorNoDevice";
    case cudaErrorIllegalAddress:
        return "cudaErrorIllegalAddress";
    }
    return "an error";
}
char const* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaGetLastError() { return std::exchange(last(), cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* count) {
    return call("cudaGetDeviceCount", [&] {
        *count = 1;
        return cudaSuccess;
    });
}
cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    std::strcpy(properties->name, "a stand-in for a GPU");
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
    *value = 1;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    require(flags == cudaStreamNonBlocking, "a stream that waits for the stream of others");
    *stream = new stand_in::stream;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    require_stream(stream);
    return call("cudaStreamSynchronize", [&] {
        stream->wait();
        return cudaSuccess;
    });
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    *event = new stand_in::event;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    require_stream(stream);
    *event = {stream, stream->asked()};
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    return call("cudaEventSynchronize", [&] {
        event->wait();
        return cudaSuccess;
    });
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
    *pool = nullptr;
    return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr which, void* value) {
    std::uint64_t number = 0;
    std::memcpy(&number, value, sizeof(number));
    if (which == cudaMemPoolAttrUsedMemHigh) {
        require(number == 0, "the most used memory can be set to 0 only");
        memory::forget_most();
    }
    return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr which, void* value) {
    std::uint64_t const number = which == cudaMemPoolAttrUsedMemHigh ? memory::most_used() : memory::used();
    std::memcpy(value, &number, sizeof(number));
    return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t bytes) {
    require(bytes == 0, "the pool is trimmed to something");
    memory::trim();
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* all) {
    *all = memory::limit();
    *free = *all - memory::reserved();
    return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t stream) {
    require_stream(stream);
    return call("cudaMallocAsync", [&] {
        *p = memory::allocate(bytes, true);
        return *p ? cudaSuccess : cudaErrorMemoryAllocation;
    });
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t stream) {
    require_stream(stream);
    return call("cudaFreeAsync", [&] {
        memory::release(p, *stream);
        return cudaSuccess;
    });
}
cudaError_t malloc_of_device(void** p, std::size_t bytes) {
    *p = memory::allocate(bytes, false);
    return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t malloc_of_host(void** p, std::size_t bytes) {
    *p = memory::allocate_pinned(bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    require_stream(stream);
    bool const up = kind == cudaMemcpyHostToDevice;
    require(memory::holds(up ? to : from, bytes), "a copy to or from memory that was not, or is no longer, allocated");
    require(memory::is_pinned(up ? from : to, bytes), "a copy that does not wait, of memory that is not pinned");
    return call("cudaMemcpyAsync", [&] {
        stream->add([=] { std::memcpy(to, from, bytes); });
        return cudaSuccess;
    });
}

cudaError_t launch(cudaLaunchConfig_t const& how, std::function<void()> thread) {
    require_stream(how.stream);
    return call("cudaLaunchKernelEx", [&] {
        auto const& [grid, block] = std::pair(how.gridDim, how.blockDim);
        if (grid.x == 0 || grid.x > 0x7fffffffu || block.x == 0 || block.x > 1024)
            return cudaErrorInvalidConfiguration;
        require(grid.y == 1 && grid.z == 1 && block.y == 1 && block.z == 1 && how.dynamicSmemBytes == 0,
                "a launch of more than one dimension, or with memory of its own, which this stand-in does not know");
        how.stream->add(
            [blocks = grid.x, threads = block.x, thread = std::move(thread)] { run_blocks(blocks, threads, thread); });
        return cudaSuccess;
    });
}
