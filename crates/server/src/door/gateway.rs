//! The gateway as what stands behind doors.

use super::{DoorBody, DoorWays, SandboxWays};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use strawboss_core::SandboxId;
use strawboss_engine::Refused;
use strawboss_engine::link::Reach;
use strawboss_gateway::{Body, Caller, CallerLimits, CallerRules, Egress, ModelProxy, NetworkPolicy};

/// The API that agents ask, the word after `/gateway/`: the Messages API.
const API: &str = "anthropic";

/// The gateway, as what each sandbox may reach of it.
#[derive(Clone)]
pub struct GatewayWays {
    inner: Arc<Inner>,
}

struct Inner {
    models: RwLock<Arc<ModelProxy>>,
    egress: Egress,
}

impl GatewayWays {
    /// Doors that lead to these models and this proxy.
    pub fn new(models: ModelProxy, egress: Egress) -> Self {
        Self { inner: Arc::new(Inner { models: RwLock::new(Arc::new(models)), egress }) }
    }

    /// Asks these models from now on. Requests that are under way end where they began.
    pub fn set_models(&self, models: ModelProxy) {
        *self.inner.models.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(models);
    }

    /// Returns when every tunnel has ended. After shutdown, when all doors are closed.
    pub async fn drained(&self) {
        self.inner.egress.drained().await;
    }
}

impl Inner {
    fn rules(reach: &Reach) -> Result<CallerRules, Refused> {
        let routes: BTreeMap<String, String> =
            reach.providers.iter().map(|provider| (API.to_owned(), provider.clone())).collect();
        let network = NetworkPolicy::parse(&reach.allow, &reach.internal).map_err(|errors| {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Refused::Internal(format!("a project's network was not checked when it was read: {}", all.join("; ")))
        })?;
        Ok(CallerRules { routes, network, limits: CallerLimits::default() })
    }
}

impl DoorWays for GatewayWays {
    fn open(&self, sandbox: &SandboxId, reach: &Reach) -> Result<Arc<dyn SandboxWays>, Refused> {
        let caller = Caller::new(sandbox.clone(), Inner::rules(reach)?);
        Ok(Arc::new(Ways { gateway: Arc::clone(&self.inner), caller }))
    }
}

struct Ways {
    gateway: Arc<Inner>,
    caller: Caller,
}

fn boxed(response: Response<Body>) -> Response<DoorBody> {
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

#[async_trait::async_trait]
impl SandboxWays for Ways {
    async fn gateway(&self, request: Request<Incoming>) -> Response<DoorBody> {
        let models = Arc::clone(&self.gateway.models.read().unwrap_or_else(PoisonError::into_inner));
        boxed(models.handle(&self.caller, request).await)
    }

    async fn proxy(&self, request: Request<Incoming>) -> Response<DoorBody> {
        boxed(self.gateway.egress.handle(&self.caller, request).await)
    }

    fn close(&self) {
        self.caller.close();
    }
}
