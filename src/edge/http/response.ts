// What our routes need of a response, whichever version of HTTP it goes out by.

/** The common part of Node's HTTP/1.1 and HTTP/2 responses. */
export type HttpResponse = {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  hasHeader(name: string): boolean;
  removeHeader(name: string): unknown;
  end(body: string): unknown;
};

/** Answers with JSON, not to be stored unless a header already says otherwise. */
export function sendJson(
  response: HttpResponse,
  status: number,
  body: unknown,
  type = 'application/json',
): void {
  response.statusCode = status;
  response.setHeader('content-type', type);
  if (!response.hasHeader('cache-control')) response.setHeader('cache-control', 'no-store');
  response.end(JSON.stringify(body));
}
