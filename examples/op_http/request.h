/* request.h: what a request asks for. Knows no loop, and leaves the grammar to a library. */
#include <ctype.h>
#include <http_parser.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST, RANGE, IF_RANGE, IF_MODIFIED_SINCE, FIELDS, REQUEST_MAX = 8192 };

static const char *const field_names[] = { "Host", "Range", "If-Range", "If-Modified-Since" };

struct request {
    int code;             /* 200: it may have the file; or the error that answers it */
    int head;             /* the answer has no body */
    int last;             /* the connection ends with the answer */
    size_t used;          /* bytes it took */
    const char *url, *at; /* in those; its path … */
    size_t url_size, size;
    char path[REQUEST_MAX + 16]; /* … and the file, with a slash before it */
    int field;                   /* whose value comes next */
    char fields[FIELDS][64];     /* "": it was not there */
};

static int on_url (http_parser *parser, const char *at, size_t size)
{
    struct request *request = parser->data;

    request->url = at;
    request->url_size = size;
    return 0;
}

static int on_field (http_parser *parser, const char *at, size_t size)
{
    int *field = &((struct request *) parser->data)->field;

    for (*field = 0; *field < FIELDS; ++*field)
        if (strlen (field_names[*field]) == size && !strncasecmp (field_names[*field], at, size))
            break;
    return 0;
}

static int on_value (http_parser *parser, const char *at, size_t size)
{
    struct request *request = parser->data;

    if (request->field < FIELDS)
        snprintf (request->fields[request->field], sizeof request->fields[0], "%.*s", (int) size, at);
    return 0;
}

/* Nobody needs to send us a body, so none is read, and the connection has to end. */
static int on_header_end (http_parser *parser)
{
    struct request *request = parser->data;
    int body = parser->flags & F_CHUNKED || (parser->content_length && parser->content_length != ULLONG_MAX);

    request->head = parser->method == HTTP_HEAD;
    request->last = body || !http_should_keep_alive (parser);
    if (parser->http_major != 1)
        request->code = 505;
    else if (!request->head && parser->method != HTTP_GET)
        request->code = 405;
    else if (body)
        request->code = 413;
    else
        request->code = parser->http_minor && !*request->fields[HOST] ? 400 : 200;
    return 1; /* skip the body */
}

static int on_request_end (http_parser *parser)
{
    http_parser_pause (parser, 1); /* others may stand behind it */
    return 0;
}

/* Decodes the path into the name of a file. Names that begin with a dot are forbidden, ".." with them. */
static int request_path (struct request *request)
{
    struct http_parser_url parts = { 0 };
    char digits[3] = "", *out = request->path;
    const char *in, *end;

    if (http_parser_parse_url (request->url, request->url_size, 0, &parts)
        || !(parts.field_set & 1 << UF_PATH))
        return 400;
    in = request->at = request->url + parts.field_data[UF_PATH].off;
    end = in + (request->size = parts.field_data[UF_PATH].len);
    for (; in < end; in++, out++) {
        *out = *in;
        if (*in != '%')
            continue;
        if (end - in < 3 || !isxdigit ((unsigned char) in[1]) || !isxdigit ((unsigned char) in[2]))
            return 400;
        memcpy (digits, in + 1, 2);
        in += 2;
        if (!(*out = (char) strtol (digits, NULL, 16)))
            return 400;
    }
    strcpy (out, out[-1] == '/' ? "index.html" : "");
    return strstr (request->path, "/.") ? 403 : 200;
}

/* Is there a whole request at the beginning of data, or one that has gone wrong already? */
static int request_parse (struct request *request, const char *data, size_t size)
{
    static const http_parser_settings settings = { .on_url = on_url,
                                                   .on_header_field = on_field,
                                                   .on_header_value = on_value,
                                                   .on_headers_complete = on_header_end,
                                                   .on_message_complete = on_request_end };
    http_parser parser = { .data = request };
    enum http_errno error;

    memset (request, 0, sizeof *request);
    http_parser_init (&parser, HTTP_REQUEST);
    request->used = http_parser_execute (&parser, &settings, data, size);
    error = HTTP_PARSER_ERRNO (&parser);
    if (error == HPE_PAUSED) {
        request->code = request->code == 200 ? request_path (request) : request->code;
        return 1;
    }
    if (error == HPE_OK && size < REQUEST_MAX)
        return 0;
    if (error == HPE_OK)
        request->code = memchr (data, '\n', size) ? 431 : 414;
    else
        request->code = error == HPE_INVALID_METHOD ? 501 : error == HPE_INVALID_VERSION ? 505 : 400;
    request->last = 1; /* where would the next one begin? */
    return 1;
}
