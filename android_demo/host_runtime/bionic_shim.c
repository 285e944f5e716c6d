/*
 * What libonnxruntime.so for Android asks of bionic and glibc lacks or does otherwise. Preloaded under bionic's name,
 * libc.so, so that Android's own build of ONNX Runtime, and of ExecuTorch, runs on this computer; see prepare.sh.
 *
 * Of its 271 imports (1.29.0, x86_64) 15 are not in glibc. Beyond those, three things have bionic's names and other
 * meanings: the standard streams, sysconf's numbers, and pthread_cond_*, whose unversioned names glibc binds to its oldest
 * implementation, which hangs with condition variables initialised as the new one's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* glibc's own function of that name, looked up once. */
#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

/* Names that glibc does not have. */
int *__errno(void) { return __errno_location(); }
char *__gnu_strerror_r(int error, char *buffer, size_t size) { return strerror_r(error, buffer, size); }
char *__strchr_chk(const char *text, int c, size_t size) { (void)size; return strchr(text, c); }
char *__strrchr_chk(const char *text, int c, size_t size) { (void)size; return strrchr(text, c); }
size_t __strlen_chk(const char *text, size_t size) { (void)size; return strlen(text); }
ssize_t __write_chk(int file, const void *from, size_t count, size_t size) { (void)size; return write(file, from, count); }
void __FD_SET_chk(int file, void *set, size_t size) { (void)file; (void)set; (void)size; }
int __FD_ISSET_chk(int file, const void *set, size_t size) { (void)file; (void)set; (void)size; return 0; }
int __system_property_get(const char *name, char *value) { (void)name; value[0] = 0; return 0; }
void android_set_abort_message(const char *text) { fprintf(stderr, "%s\n", text); }

int __android_log_vprint(int level, const char *tag, const char *format, va_list values) {
    (void)level;
    dprintf(2, "[%s] ", tag);
    vdprintf(2, format, values);
    return dprintf(2, "\n");
}

int __android_log_print(int level, const char *tag, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int done = __android_log_vprint(level, tag, format, values);
    va_end(values);
    return done;
}

int __android_log_write(int level, const char *tag, const char *text) { return __android_log_print(level, tag, "%s", text); }

void __android_log_assert(const char *condition, const char *tag, const char *format, ...) {
    va_list values;
    va_start(values, format);
    if (format) __android_log_vprint(0, tag, format, values);
    va_end(values);
    fprintf(stderr, "%s\n", condition ? condition : "assertion failed");
    abort();
}

/* bionic, bits/sysconf.h: the same questions have other numbers. What is not here has not been asked. */
long sysconf(int name) {
    switch (name) {
        case 0x27: case 0x28: name = _SC_PAGESIZE; break;
        case 0x60: name = _SC_NPROCESSORS_CONF; break;
        case 0x61: name = _SC_NPROCESSORS_ONLN; break;
        case 0x62: name = _SC_PHYS_PAGES; break;
        case 0x63: name = _SC_AVPHYS_PAGES; break;
    }
    return REAL(sysconf)(name);
}

/* bionic's stdin, stdout and stderr are the three elements of an array of structures of this size (64 bit). */
enum { BIONIC_FILE = 152 };
char __sF[3 * BIONIC_FILE];

static FILE *stream(FILE *file) {
    char *at = (char *)file;
    if (at < __sF || at >= __sF + sizeof __sF) return file;
    FILE *streams[] = {stdin, stdout, stderr};
    return streams[(at - __sF) / BIONIC_FILE];
}

#undef putc
#undef getc
int fflush(FILE *file) { return REAL(fflush)(stream(file)); }
int fileno(FILE *file) { return REAL(fileno)(stream(file)); }
int fputc(int c, FILE *file) { return REAL(fputc)(c, stream(file)); }
int putc(int c, FILE *file) { return REAL(fputc)(c, stream(file)); }
int fputs(const char *text, FILE *file) { return REAL(fputs)(text, stream(file)); }
int getc(FILE *file) { return REAL(getc)(stream(file)); }
int ungetc(int c, FILE *file) { return REAL(ungetc)(c, stream(file)); }
int vfprintf(FILE *file, const char *format, va_list values) { return REAL(vfprintf)(stream(file), format, values); }
size_t fwrite(const void *from, size_t size, size_t count, FILE *file) { return REAL(fwrite)(from, size, count, stream(file)); }

int fprintf(FILE *file, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int done = vfprintf(file, format, values);
    va_end(values);
    return done;
}

/* glibc's condition variable of the one at that address. dlsym gives the default, that is the new, version of each function. */
#ifdef __aarch64__
/* bionic's begins at any multiple of 4, and glibc's needs 8: a pointer to one is kept in its place. */
struct bionic_cond {
    int made; /* 0, as in memory that was only cleared; 1 while it is being made; 2 */
    char at[sizeof(pthread_cond_t *)];
};

static pthread_cond_t *cond(void *bionic) {
    struct bionic_cond *kept = bionic;
    pthread_cond_t *real;
    int none = 0;
    if (__atomic_compare_exchange_n(&kept->made, &none, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
        real = calloc(1, sizeof *real);
        memcpy(kept->at, &real, sizeof real);
        __atomic_store_n(&kept->made, 2, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&kept->made, __ATOMIC_ACQUIRE) != 2) sched_yield();
    memcpy(&real, kept->at, sizeof real);
    return real;
}

static void forget(void *bionic) {
    struct bionic_cond *kept = bionic;
    free(cond(bionic));
    kept->made = 0;
}

/* bionic's mutex has 40 bytes. glibc uses as many of its own, but clears the 48 that it declares. */
int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *kind) {
    pthread_mutex_t whole;
    int done = REAL(pthread_mutex_init)(&whole, kind);
    memcpy(mutex, &whole, 40);
    return done;
}
#else
static pthread_cond_t *cond(pthread_cond_t *bionic) { return bionic; }
static void forget(pthread_cond_t *bionic) { REAL(pthread_cond_destroy)(bionic); }
#endif

int pthread_cond_destroy(pthread_cond_t *c) { return forget(c), 0; }
int pthread_cond_signal(pthread_cond_t *c) { return REAL(pthread_cond_signal)(cond(c)); }
int pthread_cond_broadcast(pthread_cond_t *c) { return REAL(pthread_cond_broadcast)(cond(c)); }
int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m) { return REAL(pthread_cond_wait)(cond(c), m); }
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t) {
    return REAL(pthread_cond_timedwait)(cond(c), m, t);
}

#ifndef __aarch64__ /* the arm64 library initialises none: what it has is cleared memory */
int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a) { return REAL(pthread_cond_init)(c, a); }
#endif
