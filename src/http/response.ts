// What our routes need of a response, whichever version of HTTP it goes out by.

/** The common part of Node's HTTP/1.1 and HTTP/2 responses. */
export type HttpResponse = {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  hasHeader(name: string): boolean;
  end(body: string): unknown;
};
