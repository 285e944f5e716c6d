// Runs one ExecuTorch program on raw float32 inputs; times it; writes logits and a TimingResult as JSON.
//
// The same arguments and the same JSON as onnx_runner.py. Built by runner_build.py against the C++ SDK in
// the ExecuTorch wheel. Exit codes: 0 done, 2 bad arguments or files, 3 the runtime refused the program.

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <executorch/devtools/etdump/etdump_flatcc.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

namespace executorch::extension::threadpool {
// threadpool.h is not in the wheel; these two symbols are exported by libexecutorch_threadpool.so.
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t count);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace {

using Clock = std::chrono::steady_clock;
using executorch::extension::Module;
using executorch::runtime::Error;

[[noreturn]] void fail(int code, const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(code);
}

double milliseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

class Arguments {
 public:
  Arguments(int count, char** values) {
    for (int index = 1; index < count; index += 2) {
      if (std::strncmp(values[index], "--", 2) != 0 || index + 1 >= count) {
        fail(2, "expected --name value pairs, got " + std::string(values[index]));
      }
      values_[values[index] + 2] = values[index + 1];
    }
  }

  std::string text(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      fail(2, "--" + name + " is missing");
    }
    return found->second;
  }

  std::string text(const std::string& name, const std::string& fallback) const {
    return values_.count(name) ? values_.at(name) : fallback;
  }

  double number(const std::string& name) const {
    const std::string value = text(name);
    char* end = nullptr;
    const double parsed = std::strtod(value.c_str(), &end);
    if (end == value.c_str() || *end != '\0' || !std::isfinite(parsed) || parsed < 0) {
      fail(2, "--" + name + " must be a number from 0, got " + value);
    }
    return parsed;
  }

  std::vector<int> integers(const std::string& name) const {
    std::vector<int> result;
    std::stringstream stream(text(name, ""));
    for (std::string part; std::getline(stream, part, ',');) {
      result.push_back(std::atoi(part.c_str()));
    }
    return result;
  }

 private:
  std::map<std::string, std::string> values_;
};

std::vector<float> read_floats(const std::string& path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) {
    fail(2, "cannot read " + path + ": " + std::strerror(errno));
  }
  const auto bytes = static_cast<size_t>(stream.tellg());
  std::vector<float> values(bytes / sizeof(float));
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  if (!stream || bytes % sizeof(float) != 0) {
    fail(2, path + " is no file of whole float32 values");
  }
  return values;
}

// Written beside its goal and renamed: a full disk or a lost link never leaves half a result.
void write_file(const std::string& path, const void* data, size_t size) {
  const std::string partial = path + ".partial";
  std::FILE* file = std::fopen(partial.c_str(), "wb");
  bool good = file != nullptr && std::fwrite(data, 1, size, file) == size;
  good = (file == nullptr || std::fclose(file) == 0) && good;
  good = good && std::rename(partial.c_str(), path.c_str()) == 0;
  if (!good) {
    const std::string why = std::strerror(errno);
    std::remove(partial.c_str());
    fail(2, "cannot write " + path + ": " + why);
  }
}

// A field of /proc/self/status in bytes (the kernel's kB are 1024 bytes), or -1.
long long resident(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) {
      return std::atoll(line.c_str() + field.size() + 1) * 1024;
    }
  }
  return -1;
}

// Resets VmHWM (proc(5)); false where the system does not allow it.
bool reset_peak() {
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;
  return clear.good();
}

void pin(const std::vector<int>& cores) {
  if (cores.empty()) {
    return;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    if (core < 0 || core >= CPU_SETSIZE) {
      fail(2, "there is no core " + std::to_string(core));
    }
    CPU_SET(core, &set);
  }
  if (sched_setaffinity(0, sizeof(set), &set) != 0) {
    fail(2, std::string("cannot pin to the cores asked for: ") + std::strerror(errno));
  }
}

std::string allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) {
    return "null";
  }
  std::string text;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) {
      text += (text.empty() ? "" : ",") + std::to_string(core);
    }
  }
  return "[" + text + "]";
}

// What else wants the processors from its making on, by what Linux tells under /proc: as Contention of onnx_runner.py.
class Contention {
 public:
  explicit Contention(uint32_t threads)
      : threads_(threads), began_(Clock::now()), looked_(began_), waited_(waited()), ticks_(ticks()) {}

  // Counts what is ready to run besides the timing itself, now and then; outside of any sample.
  void look() {
    const auto now = Clock::now();
    if (milliseconds(looked_, now) < 50) {
      return;
    }
    looked_ = now;
    std::ifstream stream("/proc/loadavg");
    double averages[3];
    long long running = 0;
    if (stream >> averages[0] >> averages[1] >> averages[2] >> running) {
      others_ += running > threads_ ? static_cast<double>(running - threads_) : 0;
      ++looks_;
    }
  }

  std::string json() const {
    const double wall = milliseconds(began_, Clock::now());
    std::string missing;
    std::ostringstream text;
    text.precision(17);
    text << "{\"processors\": " << std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)) << ", \"wait_share\": ";
    const double waited_now = waited();
    if (waited_ >= 0 && waited_now >= 0 && wall > 0) {
      text << std::min(1.0, (waited_now - waited_) / wall);
    } else {
      text << "null";
      add(missing, "wait_share", "this system does not tell how long a thread waited");
    }
    text << ", \"others_running\": ";
    if (looks_ > 0) {
      text << others_ / looks_;
    } else {
      text << "null";
      add(missing, "others_running", "no look at what is ready to run succeeded");
    }
    text << ", \"steal_share\": ";
    const auto ticks_now = ticks();
    if (ticks_.second >= 0 && ticks_now.second > ticks_.second) {
      text << static_cast<double>(ticks_now.first - ticks_.first) / static_cast<double>(ticks_now.second - ticks_.second);
    } else {
      text << "null";
      add(missing, "steal_share", "this system does not tell, or the samples were over within one tick");
    }
    text << ", \"missing\": {" << missing << "}}";
    return text.str();
  }

 private:
  static void add(std::string& missing, const std::string& name, const std::string& why) {
    missing += (missing.empty() ? "" : ", ") + ("\"" + name + "\": \"" + why + "\"");
  }

  // Milliseconds that this thread was ready to run and did not (schedstat's second field, ns), or -1.
  static double waited() {
    std::ifstream stream("/proc/thread-self/schedstat");
    long long ran = 0;
    long long waited = 0;
    return stream >> ran >> waited ? static_cast<double>(waited) / 1e6 : -1;
  }

  // Stolen ticks and all ticks of the machine (proc(5), /proc/stat, without guests), or -1.
  static std::pair<long long, long long> ticks() {
    std::ifstream stream("/proc/stat");
    std::string name;
    stream >> name;
    long long all = 0;
    long long stolen = 0;
    for (int field = 0; field < 8; ++field) {
      long long value = 0;
      if (!(stream >> value)) {
        return {-1, -1};
      }
      all += value;
      stolen = value;
    }
    return {stolen, all};
  }

  long long threads_;
  Clock::time_point began_;
  Clock::time_point looked_;
  double waited_;
  std::pair<long long, long long> ticks_;
  double others_ = 0;
  int looks_ = 0;
};

class Session {
 public:
  Session(Module& module, std::vector<int> shape) : module_(module), shape_(std::move(shape)) {}

  std::vector<float> run(float* pixels) {
    std::vector<executorch::aten::SizesType> sizes(shape_.begin(), shape_.end());
    executorch::aten::TensorImpl implementation(
        executorch::aten::ScalarType::Float, static_cast<ssize_t>(sizes.size()), sizes.data(), pixels, order());
    auto result = module_.forward(executorch::aten::Tensor(&implementation));
    if (!result.ok() || result->empty() || !(*result)[0].isTensor()) {
      fail(3, "the program failed to run: ExecuTorch error " + std::to_string(static_cast<int>(result.error())));
    }
    const auto logits = (*result)[0].toTensor();
    if (logits.scalar_type() != executorch::aten::ScalarType::Float) {
      fail(3, "the program's output is not float32");
    }
    const float* data = logits.const_data_ptr<float>();
    return {data, data + logits.numel()};
  }

 private:
  executorch::aten::DimOrderType* order() {
    order_.resize(shape_.size());
    for (size_t index = 0; index < order_.size(); ++index) {
      order_[index] = static_cast<executorch::aten::DimOrderType>(index);
    }
    return order_.data();
  }

  Module& module_;
  std::vector<int> shape_;
  std::vector<executorch::aten::DimOrderType> order_;
};

}  // namespace

int main(int count, char** values) {
  const Arguments arguments(count, values);
  const auto shape = arguments.integers("shape");
  size_t image = 1;
  for (const int side : shape) {
    image *= static_cast<size_t>(side > 0 ? side : 0);
  }
  auto inputs = read_floats(arguments.text("inputs"));
  if (shape.empty() || image == 0 || inputs.empty() || inputs.size() % image != 0) {
    fail(2, "--inputs does not hold whole images of --shape");
  }
  const size_t images = inputs.size() / image;
  const auto threads = static_cast<uint32_t>(arguments.number("threads"));
  const std::string trace = arguments.text("trace", "");
  pin(arguments.integers("cores"));
  executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(threads);

  std::unique_ptr<executorch::etdump::ETDumpGen> tracer;
  if (!trace.empty()) {
    tracer = std::make_unique<executorch::etdump::ETDumpGen>();
  }
  auto* events = tracer.get();

  const bool peak_known = reset_peak();
  const long long before = resident("VmRSS");
  const auto began = Clock::now();
  Module module(arguments.text("model"), Module::LoadMode::File, std::move(tracer));
  if (const Error error = module.load_forward(); error != Error::Ok) {
    fail(3, "ExecuTorch cannot load the program: error " + std::to_string(static_cast<int>(error)));
  }
  const auto loaded = Clock::now();
  Session session(module, shape);
  auto logits = session.run(inputs.data());
  const auto first = Clock::now();
  for (size_t index = 1; index < images; ++index) {
    const auto row = session.run(inputs.data() + index * image);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  const auto warmups = static_cast<size_t>(arguments.number("warmups"));
  for (size_t index = 0; index < warmups; ++index) {
    session.run(inputs.data() + index % images * image);
  }
  const auto least = static_cast<size_t>(arguments.number("min-runs"));
  const double least_ms = 1000 * arguments.number("min-seconds");
  const double most_ms = 1000 * arguments.number("max-seconds");
  std::vector<double> samples;
  double total = 0;
  Contention contention(threads);
  while ((samples.size() < least || total < least_ms) && total < most_ms) {
    float* pixels = inputs.data() + samples.size() % images * image;
    const auto start = Clock::now();
    session.run(pixels);
    samples.push_back(milliseconds(start, Clock::now()));
    total += samples.back();
    contention.look();
  }
  const std::string around = contention.json();
  const long long peak = resident("VmHWM");

  write_file(arguments.text("logits"), logits.data(), logits.size() * sizeof(float));
  if (events != nullptr) {
    const auto dump = events->get_etdump_data();
    write_file(trace, dump.buf, dump.size);
    std::free(dump.buf);
  }
  std::ostringstream json;
  json.precision(17);
  json << "{\"runtime_version\": \"" << FER_DEPLOY_EXECUTORCH_VERSION << "\", \"threads\": " << threads
       << ", \"load_ms\": " << milliseconds(began, loaded) << ", \"first_ms\": " << milliseconds(loaded, first)
       << ", \"samples_ms\": [";
  for (size_t index = 0; index < samples.size(); ++index) {
    json << (index ? ", " : "") << samples[index];
  }
  json << "], \"peak_memory_bytes\": ";
  if (peak_known && before >= 0 && peak >= 0) {
    json << (peak > before ? peak - before : 0) << ", \"peak_memory_reason\": null";
  } else {
    json << "null, \"peak_memory_reason\": \"the peak cannot be reset on this system\"";
  }
  json << ", \"cores\": " << allowed_cores() << ", \"contention\": " << around << "}\n";
  const std::string text = json.str();
  write_file(arguments.text("result"), text.data(), text.size());
  return 0;
}
