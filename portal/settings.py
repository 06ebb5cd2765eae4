"""Every setting of the portal, from the environment; `.env.example` lists the variables.

With nothing set, this is the embedded mode: SQLite and files below DATA_DIR, one host.
"""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from portal import environment, logs

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = environment.folder("DATA_DIR", environment.home())

# The demonstration: a login that everybody knows, mail kept in a folder. Never set it on a server that others reach.
DEMO = environment.flag("DEMO")
DEBUG = environment.flag("DEBUG")
if DEBUG and not DEMO:
    raise ImproperlyConfigured("DEBUG=1 shows internals to everybody and is allowed together with DEMO=1 only.")

# The embedded mode: SQLite, and files that nobody else on this host may read, in which keys are kept that are not set
IS_EMBEDDED = not environment.text("DATABASE_URL")
if IS_EMBEDDED:
    environment.private_folder(DATA_DIR)

SECRET_KEY = environment.secret("SECRET_KEY", at_least=40, kept_in=DATA_DIR / "secret-key" if IS_EMBEDDED else None)
# Keys of before: what they signed is good for as long as they stand here, links in mails above all
SECRET_KEY_FALLBACKS = environment.secrets_of("SECRET_KEY_FALLBACKS", at_least=40)
# Encrypts in the database what must be read again: the first key does, all of them decrypt
ENCRYPTION_KEYS = environment.fernet_keys(
    "ENCRYPTION_KEYS", kept_in=DATA_DIR / "encryption-key" if IS_EMBEDDED else None
)

# Where staff and programs reach this site; status pages have their own addresses, kept in the database.
_site = environment.site("SITE_URL", "http://127.0.0.1:8000", may_be_http=DEMO)
SITE_URL = _site.geturl()
IS_HTTPS = _site.scheme == "https"
# Any name may ask for published files (a page has its own host name), so Django's check covers what staff use.
ALLOWED_HOSTS = [_site.netloc.removesuffix(f":{_site.port}"), *environment.hosts("ALLOWED_HOSTS")]
if DEMO:
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, "127.0.0.1", "localhost"]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "incidents",
    "status",
    "portal",
]

MIDDLEWARE = [
    "status.publication.serving.PublishedFilesMiddleware",
    "portal.middleware.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.api.documentation.SchemaMiddleware",
    "portal.middleware.DatabaseGuardMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.accounts.middleware.StaffMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- The record -------------------------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]]
if not IS_EMBEDDED:
    _database = environment.database("DATABASE_URL")
    if not DEMO and _database["PASSWORD"].lower() in environment.PLACEHOLDERS:
        raise ImproperlyConfigured("DATABASE_URL has a placeholder for its password: choose a random one.")
    DATABASES = {"default": _database | {"ENGINE": "portal.postgresql"}}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "portal.sqlite3",
            # Measured: without IMMEDIATE and WAL, concurrent writers fail with "database is locked".
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- What the public reads --------------------------------------------------------------------------------------------
PUBLICATION_ROOT = environment.folder("PUBLICATION_ROOT", DATA_DIR / "public")
# The host name of the page that names which are no page's show; without it they show the only page that there is
DEFAULT_PAGE = environment.host("DEFAULT_PAGE")

# --- What recipients are sent -----------------------------------------------------------------------------------------
# Seconds between a public update and its messages, in which staff may take it back; the page has changed already.
NOTIFY_HOLD = environment.number("NOTIFY_HOLD", 10 if DEMO else 30, most=3600)

# Days after which messages about what is over are deleted; 0: never
DELIVERIES_KEPT = environment.number("DELIVERIES_KEPT", 730, most=36_500)

# --- Monitoring -------------------------------------------------------------------------------------------------------
# Who reads /metrics; without a token there is no such address.
METRICS_TOKEN = environment.secret("METRICS_TOKEN", at_least=20) if environment.text("METRICS_TOKEN") else ""

# --- History ----------------------------------------------------------------------------------------------------------
# Seals the history: not in the database, and not to be changed, or the chain cannot be verified any more.
AUDIT_KEY = environment.secret("AUDIT_KEY", at_least=40, kept_in=DATA_DIR / "audit-key" if IS_EMBEDDED else None)

# --- The clock and the workers ----------------------------------------------------------------------------------------
REDIS_URL = environment.redis("REDIS_URL")
BROKER_DIR = DATA_DIR / "broker"

# --- People -----------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "incidents.User"
AUTHENTICATION_BACKENDS = ["portal.accounts.backends.StaffBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
ACCOUNT_ADAPTER = "portal.accounts.adapters.AccountAdapter"
ACCOUNT_FORMS = {"reset_password": "portal.accounts.adapters.ResetForm"}
MFA_FORMS = {"activate_totp": "portal.accounts.adapters.SecondFactorForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]  # nobody signs up: the adapter says so
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
# Wrong passwords count against a name and the network they come from together, and "elsewhere" against a name in all
# networks from which nobody has signed in under it.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "10/m/ip,5/5m/key",
    "login_failed_elsewhere": "20/h/key",
    "reset_password": "10/h/ip,3/h/key",
}
# Whatever opens an account asks for the password again, and its owner is notified.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
# Counts attempts, for all processes together, in a table that strangers cannot push anything out of
CACHES = {"default": {"BACKEND": "portal.accounts.memory.Memory"}}
MFA_ADAPTER = "portal.accounts.second_factor.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Incident portal"
# Whoever may publish signs in with a second factor; the demonstration does without.
REQUIRE_SECOND_FACTOR = not DEMO and not environment.flag("WITHOUT_SECOND_FACTOR")

# Sign-in through a company's identity provider; passwords go on working, for the day on which it is down.
SOCIALACCOUNT_ADAPTER = "portal.accounts.adapters.ProviderAdapter"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if environment.text("OIDC_ISSUER"):
    _issuer = environment.issuer("OIDC_ISSUER")
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": _issuer["provider_id"],
                "name": environment.text("OIDC_NAME", "Single sign-on"),
                "client_id": environment.required("OIDC_CLIENT_ID", "OIDC_ISSUER"),
                "secret": environment.secret("OIDC_CLIENT_SECRET", at_least=8),
                "settings": {"server_url": _issuer["server_url"]},
            }
        ],
    }
SESSION_ENGINE = "portal.accounts.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_FAILURE_VIEW = "portal.accounts.signed_out.csrf_failure"
SESSION_COOKIE_AGE = 14 * 24 * 3600

SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
# Whether browsers may come by https alone is the owner's decision; `status.publication.serving` sends it with all.
HSTS = environment.hsts("HSTS")
SILENCED_SYSTEM_CHECKS = ["security.W004"]  # SECURE_HSTS_SECONDS, which says it of Django's own pages only
# The proxies in front of us, whose word for who called them is taken: those on this host, and
TRUSTED_PROXIES = [ip_network("127.0.0.0/8"), ip_network("::1"), *environment.networks("TRUSTED_PROXIES")]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024  # a text that is too long comes back with a sentence

# --- Language, times, files -------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # the web process serves the admin's few files itself: there is no collectstatic step

# --- Mail -------------------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = SERVER_EMAIL = environment.mailbox("MAIL_FROM", "status@localhost")
EMAIL_HOST = environment.host("SMTP_HOST", "localhost")
EMAIL_PORT = environment.number("SMTP_PORT", 25, least=1, most=65535)
EMAIL_HOST_USER = environment.text("SMTP_USER")
EMAIL_HOST_PASSWORD = environment.text("SMTP_PASSWORD")
if EMAIL_HOST_USER or EMAIL_HOST_PASSWORD:
    environment.required("SMTP_USER", "SMTP_PASSWORD")
    environment.required("SMTP_PASSWORD", "SMTP_USER")
# Encrypted after a greeting, which is usual at port 587, or from the first byte, at port 465
EMAIL_USE_TLS = environment.flag("SMTP_STARTTLS")
EMAIL_USE_SSL = environment.flag("SMTP_TLS")
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise ImproperlyConfigured("SMTP_STARTTLS and SMTP_TLS are both on: turn off the one that the server has not.")
EMAIL_TIMEOUT = 10
# Of each worker process: how many connections it keeps, and how many messages a second it sends at most (0: any)
SMTP_CONNECTIONS = environment.number("SMTP_CONNECTIONS", 4, least=1, most=100)
SMTP_RATE = environment.number("SMTP_RATE", 0, most=100_000)
if DEMO:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = DATA_DIR / "mail"

# The mail provider that reports bounces and complaints, and what it authenticates with ("name:password")
MAIL_EVENTS = environment.choice("MAIL_EVENTS", ["brevo", "mailgun", "mailjet", "postmark", "sendgrid", "sparkpost"])
if MAIL_EVENTS:
    ANYMAIL = {
        "WEBHOOK_SECRET": environment.secret("MAIL_EVENTS_SECRET", at_least=20),
        "MAILGUN_WEBHOOK_SIGNING_KEY": environment.text("MAILGUN_SIGNING_KEY"),
    }
    if ":" not in ANYMAIL["WEBHOOK_SECRET"]:
        raise ImproperlyConfigured("MAIL_EVENTS_SECRET must read name:password.")
    if MAIL_EVENTS == "mailgun" and not ANYMAIL["MAILGUN_WEBHOOK_SIGNING_KEY"]:
        raise ImproperlyConfigured("MAIL_EVENTS=mailgun needs MAILGUN_SIGNING_KEY, from Mailgun's control panel.")

# --- Programs ---------------------------------------------------------------------------------------------------------
# Requests a minute that each API key may send
API_RATE = environment.number("API_RATE", 600, least=1, most=1_000_000)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.FormParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.api.errors.answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Incident portal API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "ENUM_NAME_OVERRIDES": {
        "ComponentStatus": "incidents.lifecycle.ComponentStatus",
        "IncidentStatus": "incidents.lifecycle.IncidentStatus",
        "ChosenImpact": "incidents.lifecycle.Impact",
        "AnyImpact": "portal.api.serializers.incidents.IMPACTS",
        "TimelineEntryKind": "incidents.models.TimelineEntry.Kind",
        "ActionItemKind": "incidents.models.ActionItem.Kind",
        "ActionItemState": "incidents.models.ActionItem.State",
        "PostmortemState": "incidents.models.Postmortem.State",
        "SubscriberType": "portal.api.serializers.subscribers.TYPES",
        "SubscriberState": "portal.api.serializers.subscribers.STATES",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# Lines for people, or JSON for a program that collects them
LOG_FORMAT = environment.choice("LOG_FORMAT", logs.FORMATS) or "line"
LOG_LEVEL = environment.choice("LOG_LEVEL", ["debug", "info", "warning", "error", "critical"]) or "info"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "portal.logs.Formatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        },
        "json": {"class": "portal.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "portal.logs.Handler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL.upper()},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},  # a 404 or a refusal is no news; what fails is
    },
}
