/* answer.h: how a request is answered: with which bytes of the file, if any, and what stands before them. Knows no
 * loop. */
#include "request.h"
#include <errno.h>
#include <stdio.h>
#include <time.h>

struct answer {
    int code;
    long long from, left; /* the bytes of the file to be sent */
    long long size;       /* of the file */
    char modified[40];
};

static const char *const types[][2] = {
    { "html", "text/html; charset=utf-8" },
    { "css", "text/css; charset=utf-8" },
    { "js", "text/javascript; charset=utf-8" },
    { "txt", "text/plain; charset=utf-8" },
    { "json", "application/json" },
    { "svg", "image/svg+xml" },
    { "png", "image/png" },
    { "jpg", "image/jpeg" },
    { "gif", "image/gif" },
    { "webp", "image/webp" },
    { "ico", "image/x-icon" },
    { "pdf", "application/pdf" },
    { "woff2", "font/woff2" },
    { "wasm", "application/wasm" },
    { "mp4", "video/mp4" },
};

static const char *answer_type (const char *path)
{
    const char *end = strrchr (path, '.');

    for (size_t i = 0; end && i < sizeof types / sizeof *types; i++)
        if (!strcasecmp (end + 1, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

static void answer_date (time_t time, char text[static 40])
{
    strftime (text, 40, "%a, %d %b %Y %H:%M:%S GMT", gmtime (&time));
}

/* Which code stands for an error of opening a file. */
static int answer_error (int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return 403;
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
        return 404;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return 503;
    default:
        return 500;
    }
}

/* 206 or 416, or 200 where no range is asked for: what is not one valid range is ignored. */
static int answer_range (struct answer *answer, const char *range)
{
    long long first = 0, last = answer->size - 1;
    char dash = 0, rest;
    int count = sscanf (range, "bytes=%lld%c%lld%c", &first, &dash, &last, &rest);

    if (count == 1 && range[6] == '-') /* so many at the end */
        first = first + answer->size < 0 ? 0 : first + answer->size;
    else if (count < 2 || count > 3 || dash != '-' || first < 0 || (count == 3 && last < first))
        return 200;
    if (first >= answer->size)
        return 416;
    last = last < answer->size ? last : answer->size - 1;
    answer->from = first;
    answer->left = last - first + 1;
    return 206;
}

/* The file is there: the code of the answer. */
static int answer_file (struct answer *answer, const struct request *request, long long size, time_t modified)
{
    const char *condition = request->fields[IF_RANGE];

    *answer = (struct answer){ .left = size, .size = size };
    answer_date (modified, answer->modified);
    if (!strcmp (request->fields[IF_MODIFIED_SINCE], answer->modified))
        return 304;
    if (request->head || (*condition && strcmp (condition, answer->modified)))
        return 200;
    return answer_range (answer, request->fields[RANGE]);
}

/* What goes with some codes only. */
static int answer_extra (const struct answer *answer, const struct request *request, char *out, size_t room)
{
    long long first = answer->from, last = first + answer->left - 1;
    const char *end, *name;

    switch (answer->code) {
    case 206:
        return snprintf (out, room, "Content-Range: bytes %lld-%lld/%lld\r\n", first, last, answer->size);
    case 301: /* relative to what was asked for */
        end = name = request->at + request->size;
        while (name[-1] != '/')
            name--;
        return snprintf (out, room, "Location: ./%.*s/\r\n", (int) (end - name), name);
    case 405:
        return snprintf (out, room, "Allow: GET, HEAD\r\n");
    case 416:
        return snprintf (out, room, "Content-Range: bytes */%lld\r\n", answer->size);
    default:
        return 0;
    }
}

/* Writes everything but the bytes of the file: the header; for an error, a line that a person can read. */
static size_t answer_begin (struct answer *answer, const struct request *request, char *out, size_t room)
{
    int file = answer->code == 200 || answer->code == 206 || answer->code == 304, used;
    const char *reason = http_status_str ((enum http_status) answer->code);
    char now[40], line[64];
    long long length = sprintf (line, "%d %s\n", answer->code, reason);

    answer_date (time (NULL), now);
    used = snprintf (out, room, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n", answer->code, reason, now,
                     request->last ? "close" : "keep-alive");
    used += snprintf (out + used, room - used, "Content-Type: %s\r\nContent-Length: %lld\r\n",
                      file ? answer_type (request->path) : "text/plain", file ? answer->left : length);
    if (file)
        used += snprintf (out + used, room - used, "Last-Modified: %s\r\nAccept-Ranges: bytes\r\n",
                          answer->modified);
    used += answer_extra (answer, request, out + used, room - used);
    used += snprintf (out + used, room - used, "\r\n%s", file || request->head ? "" : line);
    if (!file || request->head || answer->code == 304)
        answer->left = 0;
    return (size_t) used;
}
