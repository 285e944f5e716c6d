/* Runs float32 images through a model by ONNX Runtime's C API: c_api MODEL INPUTS.f32 LOGITS.f32 CLASSES C,H,W */
#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>

static const OrtApi *api;

#ifdef __aarch64__
/* bionic keeps the stack's guard 40 bytes behind the thread pointer. With glibc a program's own thread variables begin 16
   bytes behind it: these keep the place, which must not change while a function runs. */
static _Thread_local volatile char slots[64];
#endif

static void must(OrtStatus *status) {
    if (status == NULL) return;
    fprintf(stderr, "c_api: %s\n", api->GetErrorMessage(status));
    exit(1);
}

int main(int count, char **words) {
#ifdef __aarch64__
    slots[0] = 0;
#endif
    long long shape[4] = {1, 0, 0, 0};
    if (count != 6 || sscanf(words[5], "%lld,%lld,%lld", shape + 1, shape + 2, shape + 3) != 3) return 2;
    const size_t pixels = (size_t)(shape[1] * shape[2] * shape[3]), classes = (size_t)atoi(words[4]);
    /* Opened and not linked: the linker would ask for the symbol versions that strip_versions.py took away. */
    void *library = dlopen("libonnxruntime.so", RTLD_NOW);
    const OrtApiBase *(*base)(void) = library ? dlsym(library, "OrtGetApiBase") : NULL;
    if (!base) return fprintf(stderr, "c_api: %s\n", dlerror()), 2;
    api = base()->GetApi(ORT_API_VERSION);
    FILE *inputs = fopen(words[2], "rb"), *logits = fopen(words[3], "wb");
    float *image = malloc(pixels * sizeof(float));
    if (!api || !inputs || !logits || !image) return 2;

    OrtEnv *environment;
    OrtSessionOptions *options;
    OrtSession *session;
    OrtMemoryInfo *memory;
    must(api->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "c_api", &environment));
    must(api->DisableTelemetryEvents(environment));
    must(api->CreateSessionOptions(&options));
    must(api->SetIntraOpNumThreads(options, 2)); /* two, so that its thread pool runs on our pthreads too */
    must(api->CreateSession(environment, words[1], options, &session));
    must(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    while (fread(image, sizeof(float), pixels, inputs) == pixels) {
        const char *from[] = {"pixels"}, *to[] = {"logits"};
        OrtValue *input = NULL, *output = NULL;
        float *values;
        must(api->CreateTensorWithDataAsOrtValue(memory, image, pixels * sizeof(float), (const int64_t *)shape, 4,
                                                 ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
        must(api->Run(session, NULL, from, (const OrtValue *const *)&input, 1, to, 1, &output));
        must(api->GetTensorMutableData(output, (void **)&values));
        fwrite(values, sizeof(float), classes, logits);
        api->ReleaseValue(input);
        api->ReleaseValue(output);
    }
    fclose(logits);
    printf("%s\n", base()->GetVersionString());
    return 0;
}
