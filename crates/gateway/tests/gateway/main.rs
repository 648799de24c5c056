//! The gateway over real TCP. Nothing here leaves this machine.

#[cfg(test)]
mod egress;
#[cfg(test)]
mod https;
#[cfg(test)]
mod mock_model;
#[cfg(test)]
mod model_proxy;
#[cfg(test)]
mod support;
