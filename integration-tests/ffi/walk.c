// The walk in C, over sockets: `walk URL CHECKPOINT HEAD_ID AFTER` against a real server.
//
// HTTP 1.0 by hand, so that nothing is needed beside the library: a body ends with its connection.

#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "weir.h"

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// A connection; what it says is in `why` when it fails.
struct call {
    FILE *stream;
    char why[200];
    int code;
};

static bool fails(struct call *call, const char *why) {
    snprintf(call->why, sizeof call->why, "%s", why);
    return false;
}

static void end(struct call *call) {
    if (call->stream != NULL) fclose(call->stream);
    call->stream = NULL;
}

static bool dial(struct call *call, const char *url) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    unsigned port;
    char host[64];
    if (sscanf(url, "http://%63[^:]:%u", host, &port) != 2) return fails(call, "no such URL");
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &address.sin_addr);
    int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(socket_fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(socket_fd);
        return fails(call, "nobody listens there");
    }
    struct timeval patience = {.tv_sec = 60};
    setsockopt(socket_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    call->stream = fdopen(socket_fd, "r+");
    return true;
}

// Sends a request, and reads the head of the answer.
static bool ask(struct call *call, const char *url, const struct WeirStep *step) {
    *call = (struct call){0};
    if (!dial(call, url)) return false;
    size_t len = step->message.len;
    fprintf(call->stream,
            "POST %s HTTP/1.0\r\nhost: weir\r\ncontent-type: application/grpc-web+proto\r\n"
            "content-length: %zu\r\n\r\n",
            step->path, len + 5);
    unsigned char head[5] = {0, len >> 24, len >> 16 & 255, len >> 8 & 255, len & 255};
    fwrite(head, 1, sizeof head, call->stream);
    if (len > 0) fwrite(step->message.data, 1, len, call->stream);
    fflush(call->stream);
    char line[1000];
    int status = 0;
    while (fgets(line, sizeof line, call->stream) != NULL && strcmp(line, "\r\n") != 0) {
        sscanf(line, "HTTP/%*s %d", &status);
        sscanf(line, "grpc-status: %d", &call->code);
    }
    if (status != 200) return fails(call, "no such thing over HTTP");
    return call->code == 0 || fails(call, "refused");
}

// The next message, to be freed; NULL when there is none.
static unsigned char *message(struct call *call, size_t *len) {
    unsigned char head[5];
    if (fread(head, 1, 5, call->stream) != 5) return fails(call, "cut off"), NULL;
    *len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    if (*len > 64u << 20) return fails(call, "too long"), NULL;
    unsigned char *content = calloc(1, *len + 1);
    if (fread(content, 1, *len, call->stream) != *len) {
        free(content);
        return fails(call, "cut off"), NULL;
    }
    if (head[0] == 0) return content;
    const char *status = strstr((char *)content, "grpc-status:");
    call->code = status == NULL ? 2 : atoi(status + strlen("grpc-status:"));
    free(content);
    return fails(call, call->code == 0 ? "the stream ended" : "refused"), NULL;
}

static const char *const *servers;
static struct call stream;
static int progresses;

// Does what a step says, and tells the client what came of it.
static void answer(struct WeirClient *client, const struct WeirStep *step) {
    struct call one = {0};
    struct call *call = step->kind == WEIR_STEP_CALL ? &one : &stream;
    unsigned char *content = NULL;
    size_t len = 0;
    bool came;
    if (step->kind == WEIR_STEP_NEXT) {
        came = (content = message(call, &len)) != NULL;
    } else {
        end(call);
        came = ask(call, servers[step->server], step);
        if (came && step->kind == WEIR_STEP_CALL) came = (content = message(call, &len)) != NULL;
    }
    if (came) {
        weir_client_hear(client, step->server, content, len, NULL, 0, NULL);
    } else if (call->code != 0) {
        weir_client_hear_refusal(client, step->server, (uint8_t)call->code, call->why, NULL, 0, NULL);
    } else {
        weir_client_hear_nothing(client, step->server, call->why, NULL);
    }
    free(content);
    end(&one);
}

// Leads a task to its end; returns its answer, to be freed.
static char *finish(struct WeirClient *client, enum WeirStatus due, const char *rule,
                    struct WeirBytes *evidence) {
    for (;;) {
        struct WeirStep step;
        if (weir_client_step(client, now_ms(CLOCK_MONOTONIC), now_ms(CLOCK_REALTIME), &step, NULL))
            fail("a step");
        if (step.kind == WEIR_STEP_DONE) break;
        if (step.kind == WEIR_STEP_PROGRESS) progresses += 1;
        else answer(client, &step);
        weir_step_free(step);
    }
    char *value;
    struct WeirBytes kept;
    struct WeirError *error;
    enum WeirStatus status = weir_client_take(client, &value, &kept, &error);
    if (status != due || (rule != NULL && strcmp(weir_error_rule(error), rule) != 0))
        fail("status %d, %s", status, error == NULL ? "no error" : weir_error_message(error));
    weir_error_free(error);
    if (evidence != NULL) *evidence = kept;
    else weir_bytes_free(kept);
    return value;
}

static char *run(struct WeirClient *client, const char *task, struct WeirBytes *evidence) {
    struct WeirError *error;
    if (weir_client_begin(client, task, &error)) fail("%s: %s", task, weir_error_message(error));
    return finish(client, WEIR_STATUS_OK, NULL, evidence);
}

static void wants(const char *text, const char *part) {
    if (text == NULL || strstr(text, part) == NULL) fail("%s is not in %s", part, text);
}

static struct WeirClient *start(const char *options, struct WeirBytes kept) {
    struct WeirClient *client;
    struct WeirError *error;
    if (weir_client_start(options, kept.data, kept.len, &client, &error))
        fail("%s: %s", options, weir_error_message(error));
    return client;
}

#define SNAPSHOT "{\"block\": \"latest_finalized\", \"topic\": \"snapshot\"}"
static const struct WeirBytes NOTHING = {0};

static void walks(const char *checkpoint, const char *head_id, const char *options) {
    struct WeirClient *client = start(options, NOTHING);
    weir_text_free(finish(client, WEIR_STATUS_OK, NULL, NULL));
    char *told = run(client, "{\"task\": \"sync\"}", NULL);
    wants(told, head_id);
    wants(told, "silent");
    weir_text_free(told);
    if (progresses == 0) fail("%d times progress", progresses);
    struct WeirBytes evidence;
    told = run(client, "{\"task\": \"ask\", \"question\": " SNAPSHOT "}", &evidence);
    wants(told, head_id);
    char *verified;
    struct WeirTiming timing = weir_timing_at(now_ms(CLOCK_REALTIME));
    if (weir_verify_file(checkpoint, evidence.data, evidence.len, timing, WEIR_VIEW_WHOLE, &verified,
                         NULL))
        fail("the evidence");
    if (strcmp(told, verified) != 0) fail("%s is not %s", told, verified);
    weir_text_free(told);
    weir_text_free(verified);
    weir_bytes_free(evidence);
    told = run(client, "{\"task\": \"tree_root\", \"block\": \"latest_finalized\"}", NULL);
    wants(told, "\"root\":");
    weir_text_free(told);
    struct WeirError *error;
    if (weir_client_begin(client, "{\"task\": \"dance\"}", &error) != WEIR_STATUS_USAGE)
        fail("a task that is none");
    weir_error_free(error);
    weir_client_begin(client, "{\"task\": \"sync\"}", NULL);
    weir_client_cancel(client, NULL);
    weir_text_free(finish(client, WEIR_STATUS_TRANSPORT, "Cancelled", NULL));
    weir_client_free(client);
}

static void watches(const char *options, struct WeirBytes kept, const char *after) {
    struct WeirClient *client = start(options, kept);
    char task[200];
    snprintf(task, sizeof task, "{\"task\": \"next_event\", \"watch\": {\"after\": %s}}", after);
    for (int count = 0; count < 3; count += 1) {
        char *event = run(client, task, NULL);
        wants(event, "\"cursor\":");
        weir_text_free(event);
    }
    if (weir_client_begin(client, "{\"task\": \"sync\"}", NULL) != WEIR_STATUS_USAGE)
        fail("a client that watches does something else");
    end(&stream);
    weir_client_free(client);
}

static struct WeirBytes synced(const char *options) {
    struct WeirClient *client = start(options, NOTHING);
    weir_text_free(finish(client, WEIR_STATUS_OK, NULL, NULL));
    weir_text_free(run(client, "{\"task\": \"sync\"}", NULL));
    struct WeirBytes kept;
    if (weir_client_to_bytes(client, &kept, NULL) || kept.len == 0) fail("nothing to keep");
    weir_client_free(client);
    return kept;
}

static void refuses(const char *checkpoint) {
    char options[300];
    struct WeirClient *client;
    snprintf(options, sizeof options, "{\"servers\": [], \"checkpoint\": \"%s\"}", checkpoint);
    if (weir_client_start(options, NULL, 0, &client, NULL) != WEIR_STATUS_USAGE || client != NULL)
        fail("no server");
    if (weir_client_start(NULL, NULL, 0, &client, NULL) != WEIR_STATUS_USAGE) fail("no options");
    if (weir_client_cancel(NULL, NULL) != WEIR_STATUS_USAGE) fail("no client");
    snprintf(options, sizeof options, "{\"servers\": [\"%s\"], \"checkpoint\": \"%s\"}", servers[0],
             checkpoint);
    client = start(options, NOTHING);
    weir_text_free(finish(client, WEIR_STATUS_TRANSPORT, "Unavailable", NULL));
    weir_client_free(client);
}

int main(int count, char **arguments) {
    if (count != 5) fail("usage: walk URL CHECKPOINT HEAD_ID AFTER");
    const char *checkpoint = arguments[2];
    // The first of the servers is silent.
    const char *const known[] = {"http://127.0.0.1:1", arguments[1]};
    servers = known;
    char options[500];
    snprintf(options, sizeof options,
             "{\"servers\": [\"%s\", \"%s\"], \"checkpoint\": \"%s\", \"keep_evidence\": true}", known[0],
             known[1], checkpoint);
    walks(checkpoint, arguments[3], options);
    snprintf(options, sizeof options, "{\"servers\": [\"%s\", \"%s\"], \"checkpoint\": \"%s\"}", known[0],
             known[1], checkpoint);
    struct WeirBytes kept = synced(options);
    watches(options, kept, arguments[4]);
    weir_bytes_free(kept);
    refuses(checkpoint);
    puts("the walk in C passed");
    return 0;
}
