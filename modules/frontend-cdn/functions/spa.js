// Viewer request of the page's own behaviour: the app's routes are all served by
// index.html, files are served as they are. The API's behaviours don't pass here,
// so that their 404s stay 404s.
//
// A file is what lies under /assets/ or has an extension in its last segment.
// "/" is left to the distribution's default root object.
function handler(event) {
  var request = event.request;
  var uri = request.uri;
  if (uri === '/' || uri.indexOf('/assets/') === 0) {
    return request;
  }
  var last = uri.substring(uri.lastIndexOf('/') + 1);
  if (last.indexOf('.') === -1) {
    request.uri = '/index.html';
  }
  return request;
}
