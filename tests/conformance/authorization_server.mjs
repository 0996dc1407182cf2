// An OAuth authorization server on loopback: `node authorization_server.mjs PORT`.
// Whoever signs in is the name that they type. Access tokens for a resource are JWTs (RFC 9068).
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  features: {
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context, indicator) => ({
        audience: indicator,
        scope: "read send admin",
        accessTokenFormat: "jwt",
        accessTokenTTL: 600,
      }),
    },
  },
  pkce: { required: () => true },
  scopes: ["openid", "offline_access", "read", "send", "admin"],
});
provider.listen(port, "127.0.0.1");
