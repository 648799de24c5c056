#[test]
fn somebody_is_greeted_by_name() {
    assert_eq!(greeter::greet("Ada"), "Hello, Ada!");
}
