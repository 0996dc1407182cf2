"""Settings and the places of files.

`config.toml` in the home folder, overridden by `WHATSAPP_MCP_*` variables. What concerns an account
(`[account]`, `[agent]`, `[encryption]`, `[policy]`, `[voice]`, `[[webhooks]]`) is read from `config.toml`
alone: any server may become its leader. `[accounts.NAME.<section>]` is laid over them for one account:
`Settings.for_account`, `CurrentSettings(settings, account)`.
"""

from whatsapp_mcp.files.home import HOME_VARIABLE, home_in
from whatsapp_mcp.settings.account_folder import (
    REMOVING,
    RENAMING,
    AccountFolder,
    check_new_name,
    file_system_of,
    make_private,
    sharing_of,
)
from whatsapp_mcp.settings.core_sections import (
    OWN_CHAT,
    AgentKind,
    AgentLimits,
    AgentSettings,
    KeepSettings,
    MediaSettings,
    OAuthScopes,
    OAuthSettings,
    Section,
    ServerSettings,
    TracesSettings,
    UserPath,
)
from whatsapp_mcp.settings.current import CurrentSettings
from whatsapp_mcp.settings.editing import section_as, with_comments_kept, with_section_copied, without_section
from whatsapp_mcp.settings.loading import (
    CHAT_VARIABLE,
    ENV_PREFIX,
    PRINCIPAL_VARIABLE,
    check_own_text,
    config_text,
    load,
    parse,
    settings_model,
)
from whatsapp_mcp.settings.sections import (
    AccountSettings,
    BudgetSettings,
    ChatRule,
    PolicyMode,
    PolicySettings,
    QuietHours,
    RetentionSettings,
    Settings,
    Verdict,
)

__all__ = [
    "CHAT_VARIABLE",
    "ENV_PREFIX",
    "HOME_VARIABLE",
    "OWN_CHAT",
    "PRINCIPAL_VARIABLE",
    "REMOVING",
    "RENAMING",
    "AccountFolder",
    "AccountSettings",
    "AgentKind",
    "AgentLimits",
    "AgentSettings",
    "BudgetSettings",
    "ChatRule",
    "CurrentSettings",
    "KeepSettings",
    "MediaSettings",
    "OAuthScopes",
    "OAuthSettings",
    "PolicyMode",
    "PolicySettings",
    "QuietHours",
    "RetentionSettings",
    "Section",
    "ServerSettings",
    "Settings",
    "TracesSettings",
    "UserPath",
    "Verdict",
    "check_new_name",
    "check_own_text",
    "config_text",
    "file_system_of",
    "home_in",
    "load",
    "make_private",
    "parse",
    "section_as",
    "settings_model",
    "sharing_of",
    "with_comments_kept",
    "with_section_copied",
    "without_section",
]
